// A pool of crypto/tls clients, the usual way to scan in Go: so many goroutines take targets from a
// list, dial, shake hands, close. Nothing is written per target: only what a handshake costs counts.
//
//	pool -list FILE -mode stop|full [-workers 500] [-count N]
//
// FILE has zgrab2 lines, IP,NAME,TAG,PORT, taken in turn until N were tried. stop: the handshake is
// given up as soon as crypto/tls has parsed the certificates; full: to the end, the server's
// signature and Finished checked. Neither builds paths. Prints "done N failed M".
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type target struct{ address, name string }

var errSeen = errors.New("the certificate was seen")

func read(file string) ([]target, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var targets []target
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ",")
		if len(fields) != 4 {
			return nil, fmt.Errorf("%s: not IP,NAME,TAG,PORT: %s", file, lines.Text())
		}
		targets = append(targets, target{net.JoinHostPort(fields[0], fields[3]), fields[1]})
	}
	return targets, lines.Err()
}

func shake(dialer *net.Dialer, to target, stop bool) bool {
	conn, err := dialer.Dial("tcp", to.address)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	config := &tls.Config{ServerName: to.name, InsecureSkipVerify: true}
	seen := false
	if stop {
		config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
			seen = len(raw) > 0
			return errSeen
		}
	}
	client := tls.Client(conn, config)
	err = client.Handshake()
	if stop {
		return seen
	}
	if err == nil {
		client.Close()
	}
	return err == nil
}

func main() {
	list := flag.String("list", "", "targets")
	mode := flag.String("mode", "full", "stop or full")
	workers := flag.Int("workers", 500, "goroutines")
	count := flag.Int64("count", 10000, "handshakes")
	flag.Parse()
	targets, err := read(*list)
	if err != nil || len(targets) == 0 || (*mode != "stop" && *mode != "full") {
		fmt.Fprintln(os.Stderr, "pool: -list FILE -mode stop|full:", err)
		os.Exit(2)
	}
	var next, done, failed atomic.Int64
	var group sync.WaitGroup
	for i := 0; i < *workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			dialer := &net.Dialer{Timeout: 5 * time.Second}
			for {
				at := next.Add(1) - 1
				if at >= *count {
					return
				}
				if shake(dialer, targets[at%int64(len(targets))], *mode == "stop") {
					done.Add(1)
				} else {
					failed.Add(1)
				}
			}
		}()
	}
	group.Wait()
	fmt.Println("done", done.Load(), "failed", failed.Load())
}
