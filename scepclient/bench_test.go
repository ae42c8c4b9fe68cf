//go:build unix

package scepclient_test

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

// TestMain serves a CA when BenchmarkEnrol starts this binary again: the server's work must not count as the
// client's.
func TestMain(m *testing.M) {
	if os.Getenv("SCEPCLIENT_BENCH_CA") == "" {
		os.Exit(m.Run())
	}
	ca, err := sceptest.NewCA(sceptest.Config{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	u, err := ca.Listen("")
	fmt.Println(u, ca.Pin(), err)
	io.Copy(io.Discard, os.Stdin) // until the benchmark closes it
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestPrivateKeyOperations: CSR, self-signed certificate, message, reply.
func TestPrivateKeyOperations(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	k := &countingKey{Signer: deviceKey(), Decrypter: deviceKey()}
	req := request()
	req.Key = k
	_, err := client(ca).Enrol(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 3, k.signs)
	require.Equal(t, 1, k.decrypts)
}

// BenchmarkEnrol is one enrolment with a ready RSA-2048 key over loopback HTTP at a CA in another process. The limit
// beside it is four private-key operations with the same key and nothing else, with a pause as long as the CA's
// answers take: a core that sleeps in between is slower than one that never does.
func BenchmarkEnrol(b *testing.B) {
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SCEPCLIENT_BENCH_CA=1")
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	defer func() {
		in.Close()
		cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	f := strings.Fields(line)
	c := &scepclient.Client{URL: f[0], Trust: scepclient.Trust{Pins: []string{f[1]}}}
	b.Run("rsa-2048", func(b *testing.B) {
		b.ReportAllocs()
		deviceKey() // made before the clock starts
		start := cpu(b)
		for b.Loop() {
			if _, err := c.Enrol(b.Context(), request()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpu(b)-start)/float64(b.N)/1e6, "cpu-ms/op")
	})
	b.Run("limit-4-private-key-operations", func(b *testing.B) {
		sum := sha256.Sum256([]byte("x"))
		start := cpu(b)
		for b.Loop() {
			for range 4 {
				if _, err := deviceKey().Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
			time.Sleep(4 * time.Millisecond)
		}
		b.ReportMetric(float64(cpu(b)-start)/float64(b.N)/1e6, "cpu-ms/op")
	})
}

// BenchmarkReply is what is done to one SUCCESS reply of 2 kB: ours with every check up to the chain, and
// smallstep/scep's parsing, verification and decryption.
func BenchmarkReply(b *testing.B) {
	ca := sceptest.New(b, sceptest.Config{})
	cl := client(ca)
	rec := &capture{next: ca.Client().Transport}
	h := *cl.HTTPClient
	h.Transport = rec
	cl.HTTPClient = &h
	_, err := cl.Enrol(b.Context(), request())
	require.NoError(b, err)
	r := ca.Requests()[0]
	open, err := scepclient.ReplyOpener(cl, ca.Issuing, r.Signer, deviceKey(), r.TransactionID, r.SenderNonce)
	require.NoError(b, err)
	b.Run("scepclient", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := open(rec.body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("smallstep", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			msg, err := scep.ParsePKIMessage(rec.body, scep.WithCACerts([]*x509.Certificate{ca.Issuing}))
			if err == nil {
				err = msg.DecryptPKIEnvelope(r.Signer, deviceKey())
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
