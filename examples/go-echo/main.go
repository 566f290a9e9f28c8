// Command go-echo is a service with one guarded route of Echo. It reads ASSENT_ADDRESS, ASSENT_TOKEN and PORT.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v5"

	assent "assent.example/go"
	assentecho "assent.example/go/echo"
)

func main() {
	c, err := assent.New(os.Getenv("ASSENT_ADDRESS"), assent.WithToken(os.Getenv("ASSENT_TOKEN")))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	e := echo.New()
	e.POST("/orgs/:org/leave/:id/approve", approve, assentecho.Guard(c, "leave:approve", assentecho.Param("org")))
	serve(e)
}

// approve runs for users that may approve leave in the organization of the path, and for no others.
func approve(c *echo.Context) error {
	p, _ := assentecho.Principal(c)
	return c.JSON(http.StatusOK, map[string]string{"leave": c.Param("id"), "approvedBy": p.UserID})
}

// serve runs until SIGINT or SIGTERM, and lets the open requests end.
func serve(handler http.Handler) {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Print(err)
		return
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			log.Print(err)
			cancel()
		}
	}()
	fmt.Println("listening on http://" + listener.Addr().String())
	<-stop.Done()
	ending, end := context.WithTimeout(context.Background(), 5*time.Second)
	defer end()
	if err := server.Shutdown(ending); err != nil {
		log.Print(err)
	}
}
