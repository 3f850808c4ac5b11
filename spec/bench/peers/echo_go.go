// Line echo server on Go's net and bufio.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
)

func echo(client net.Conn) {
	defer client.Close()
	reader := bufio.NewReader(client)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		if _, err := client.Write(line); err != nil {
			return
		}
	}
}

func main() {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Addr().(*net.TCPAddr).Port)
	for {
		client, err := server.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(client)
	}
}
