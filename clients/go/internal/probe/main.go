// Command probe asks one question again and again, for the tests with real processes, and prints a line for each answer:
// "allowed MS", "denied MS" or "CODE/REASON MS".
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	assent "assent.example/go"
)

func main() {
	target := flag.String("target", "", "the target of assent.New")
	user := flag.String("user", "", "the user's id")
	organization := flag.String("organization", "", "the organization's id")
	permission := flag.String("permission", "organization:delete", "the permission")
	roots := flag.String("roots", "", "a file of trusted certificates: TLS")
	callers := flag.Int("callers", 4, "callers at once")
	every := flag.Duration("every", 20*time.Millisecond, "the pause between the questions of a caller")
	flag.Parse()
	var options []assent.Option
	if *roots != "" {
		pem, err := os.ReadFile(*roots)
		if err != nil {
			panic(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		options = append(options, assent.WithTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	c, err := assent.New(*target, options...)
	if err != nil {
		panic(err)
	}
	// The end of stdin is the end of the program.
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		}
		stop()
	}()
	var all sync.WaitGroup
	for range *callers {
		all.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				allowed, err := c.Can(context.Background(), assent.User(*user), assent.Organization(*organization), *permission)
				fmt.Printf("%s %d\n", answer(allowed, err), time.Since(begun).Milliseconds())
				time.Sleep(*every)
			}
		})
	}
	all.Wait()
	_ = c.Close()
}

func answer(allowed bool, err error) string {
	var e *assent.Error
	switch {
	case errors.As(err, &e):
		return string(e.Code) + "/" + e.Reason
	case err != nil:
		return "untyped"
	case allowed:
		return "allowed"
	}
	return "denied"
}
