// Line echo server on Node.js.
'use strict';

const net = require('net');

const server = net.createServer({ noDelay: true }, (socket) => {
  let pending = '';
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending += chunk;
    for (let end; (end = pending.indexOf('\n')) >= 0;) {
      socket.write(pending.slice(0, end + 1), 'latin1');
      pending = pending.slice(end + 1);
    }
  });
});

server.listen(0, '127.0.0.1', 1024, () => console.log(server.address().port));
