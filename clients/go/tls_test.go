package assent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

func TestAnExpiredCertificateIsUnavailableAndAValidOneIsNot(t *testing.T) {
	for name, row := range map[string]struct {
		expires time.Duration
		allowed bool
	}{"expired": {-time.Minute, false}, "valid": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(row.expires),
				IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
			}
			der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
			if err != nil {
				t.Fatal(err)
			}
			certificate, _ := x509.ParseCertificate(der)
			server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})))
			authv1.RegisterAuthServiceServer(server, &testServer{decide: allowAll})
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(server.Stop)
			roots := x509.NewCertPool()
			roots.AddCert(certificate)
			c := newClient(t, listener.Addr().String(), WithTLS(&tls.Config{RootCAs: roots}))
			allowed, err := c.Can(ctx, User("u"), Platform(), "a:b")
			if allowed != row.allowed || (!allowed && !errors.Is(err, ErrUnavailable)) {
				t.Fatal(allowed, err)
			}
		})
	}
}
