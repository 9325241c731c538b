// A TLS server on Go's crypto/tls for the integration tests: one process, a listener for each line of
// standard input, "ADDRESS:PORT VERSION SUITES FILES": VERSION 1.2, 1.3 or both; SUITES names of TLS
// 1.2 with commas between, or "-"; FILES "chain.pem,key.pem" pairs with ";" between. Handshakes, reads
// until the client closes, and goes on.
package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"
)

func suiteIDs(names string) []uint16 {
	if names == "-" {
		return nil
	}
	known := map[string]uint16{}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[suite.Name] = suite.ID
	}
	var ids []uint16
	for _, name := range strings.Split(names, ",") {
		id, ok := known[name]
		if !ok {
			log.Fatalf("no suite %s in this Go", name)
		}
		ids = append(ids, id)
	}
	return ids
}

func configure(version, suites, files string) *tls.Config {
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		MaxVersion:   tls.VersionTLS13,
		CipherSuites: suiteIDs(suites),
		NextProtos:   []string{"h2", "http/1.1"},
	}
	switch version {
	case "1.2":
		config.MaxVersion = tls.VersionTLS12
	case "1.3":
		config.MinVersion = tls.VersionTLS13
	}
	for _, pair := range strings.Split(files, ";") {
		chain, key, _ := strings.Cut(pair, ",")
		certificate, err := tls.LoadX509KeyPair(chain, key)
		if err != nil {
			log.Fatal(err)
		}
		config.Certificates = append(config.Certificates, certificate)
	}
	return config
}

func serve(listener net.Listener, config *tls.Config) {
	for {
		plain, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer plain.Close()
			plain.SetDeadline(time.Now().Add(30 * time.Second))
			conn := tls.Server(plain, config)
			if conn.Handshake() == nil {
				io.Copy(io.Discard, conn)
			}
		}()
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 4 {
			log.Fatalf("%q: give ADDRESS:PORT VERSION SUITES FILES", lines.Text())
		}
		config := configure(fields[1], fields[2], fields[3])
		listener, err := net.Listen("tcp", fields[0])
		if err != nil {
			log.Fatal(err)
		}
		go serve(listener, config)
	}
	select {}
}
