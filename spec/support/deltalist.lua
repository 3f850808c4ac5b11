-- deltalist: a revocation list with what has changed since list 1, and no more, RFC 5280, section 5.2.4.

return [[
-----BEGIN X509 CRL-----
MIGzMFsCAQEwCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCQ0EXDTI2MDEwMTAwMDAw
MFoXDTM2MDEwMTAwMDAwMFqgHTAbMAoGA1UdFAQDAgECMA0GA1UdGwEB/wQDAgEB
MAoGCCqGSM49BAMCA0gAMEUCIGFm1DH0hzzlD7RIEwGG9od6Q9mBmvXWo/ls+j0g
gJuMAiEA5SGuaoskpZKEL3qDvMJiwa1g57JKC0FgWHIsefkoKBQ=
-----END X509 CRL-----
]]
