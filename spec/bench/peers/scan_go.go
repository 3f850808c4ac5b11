// The scan of closed ports with goroutines: 256 at a time.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	count := 65535
	if len(os.Args) > 1 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	ports := make(chan int, 256)
	var closed int64
	var group sync.WaitGroup
	for i := 0; i < 256; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for port := range ports {
				c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
				if err != nil {
					atomic.AddInt64(&closed, 1)
				} else {
					c.Close()
				}
			}
		}()
	}
	for port := 1; port <= count; port++ {
		ports <- port
	}
	close(ports)
	group.Wait()
	fmt.Printf("closed=%d\n", closed)
}
