//go:build unix

// Readspeed reads the people of a container once, streaming or holding them, and prints what that cost as one line
// of JSON; it can do the same with nothing but go-ldap, for comparison. Its memory figure is that of the whole process,
// so each measurement is a process of its own.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A cost is what one read took, without connecting and binding.
type cost struct {
	Entries     int     `json:"entries"`
	WallMS      float64 `json:"wallMS"`
	CPUPerEntry float64 `json:"cpuMicrosPerEntry"` // user and system time of the process
	UserTime    float64 `json:"userMicrosPerEntry"`
	Allocs      float64 `json:"allocsPerEntry"`
	Bytes       float64 `json:"bytesAllocatedPerEntry"`
	HeldBytes   float64 `json:"heldBytesPerEntry"` // live on the heap after the read, 0 when streaming
	PeakKB      int     `json:"peakKB"`            // VmHWM of the process, 0 where the system does not say
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("readspeed", flag.ContinueOnError)
	f.SetOutput(stderr)
	url := f.String("url", "", "`URL` of the server")
	kind := f.String("kind", "ad", "ad or plain")
	ca := f.String("ca", "", "PEM `file` with the authority of the server's certificate")
	user := f.String("user", "", "account; its password is in READSPEED_PASSWORD")
	base := f.String("base", "", "`DN` of the container")
	class := f.String("class", "user", "user, device, or any")
	attrs := f.String("attrs", "", "attributes, separated by commas")
	page := f.Int("page", 1000, "page size")
	hold := f.String("hold", "no", "no, batch (ldapsync.ObjectBatch) or slice ([]ldapsync.Object)")
	client := f.String("client", "ldapdir", "ldapdir, or go-ldap for its SearchWithPaging instead")
	profile := f.String("cpuprofile", "", "write a CPU profile to `file`")
	rounds := f.Int("rounds", 1, "read so many times; the last counts")
	if err := f.Parse(args); err != nil {
		return 2
	}
	cfg := ldapdir.Config{URL: *url, PageSize: *page, AllowPlaintext: strings.HasPrefix(*url, "ldap://"),
		Bind: ldapdir.Simple{User: *user, Password: ldapdir.NewSecret(os.Getenv("READSPEED_PASSWORD"))}}
	q := ldapsync.Query{Attrs: strings.Split(*attrs, ",")}
	err := func() (err error) {
		switch *kind {
		case "ad":
		case "plain":
			cfg.Kind = ldapdir.PlainLDAP
		default:
			return fmt.Errorf("-kind %s: ad or plain", *kind)
		}
		switch *class {
		case "user":
			q.Class = ldapsync.User
		case "device":
			q.Class = ldapsync.Device
		case "any":
		default:
			return fmt.Errorf("-class %s: user, device or any", *class)
		}
		if *ca != "" {
			pem, err := os.ReadFile(*ca)
			if err != nil {
				return err
			}
			cfg.TLS.CAs = x509.NewCertPool()
			if !cfg.TLS.CAs.AppendCertsFromPEM(pem) {
				return fmt.Errorf("%s holds no certificate", *ca)
			}
		}
		if *client != "ldapdir" && *client != "go-ldap" {
			return fmt.Errorf("-client %s: ldapdir or go-ldap", *client)
		}
		if *hold != "no" && *hold != "batch" && *hold != "slice" {
			return fmt.Errorf("-hold %s: no, batch or slice", *hold)
		}
		return nil
	}()
	if err == nil {
		var d *ldapdir.Dir
		if d, err = ldapdir.Open(cfg); err == nil {
			defer d.Close()
			if q.Container, err = d.Container(ctx, ldapsync.ContainerRef{DN: *base}); err == nil {
				var c cost
				read := d.Read(ctx, q)
				if *client == "go-ldap" {
					read = goLDAP(*url, cfg.TLS.CAs, *user, *base, ldapdir.DefaultClass(cfg.Kind, q.Class).Filter, q.Attrs, *page)
				}
				for range max(1, *rounds) {
					if c, err = measured(read, *hold, *profile); err != nil {
						break
					}
				}
				if err == nil {
					err = json.NewEncoder(stdout).Encode(c)
				}
			}
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "readspeed:", err)
		return 2
	}
	return 0
}

// goLDAP reads as go-ldap does by itself, and yields an empty object for each entry.
func goLDAP(url string, cas *x509.CertPool, user, base, filter string, attrs []string, page int) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		err := func() error {
			conn, err := ldap.DialURL(url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: cas}))
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.Bind(user, os.Getenv("READSPEED_PASSWORD")); err != nil {
				return err
			}
			r, err := conn.SearchWithPaging(ldap.NewSearchRequest(base, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, filter, attrs, nil), uint32(page))
			if err != nil {
				return err
			}
			for range r.Entries {
				if !yield(ldapsync.Object{}, nil) {
					return nil
				}
			}
			return nil
		}()
		if err != nil {
			yield(ldapsync.Object{}, err)
		}
	}
}

func measured(read iter.Seq2[ldapsync.Object, error], hold, profile string) (c cost, err error) {
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return c, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return c, err
		}
		defer pprof.StopCPUProfile()
	}
	var batch ldapsync.ObjectBatch
	var slice []ldapsync.Object
	var before, after, held runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	user, system := processorTime()
	for o, err := range read {
		if err != nil {
			return c, err
		}
		switch hold {
		case "batch":
			batch.Add(o)
		case "slice":
			slice = append(slice, o)
		}
		c.Entries++
	}
	wall := time.Since(start)
	userAfter, systemAfter := processorTime()
	if c.Entries == 0 {
		return c, errors.New("no entries")
	}
	runtime.ReadMemStats(&after)
	n := float64(c.Entries)
	c.WallMS = float64(wall.Microseconds()) / 1000
	c.UserTime = float64(userAfter-user) / n
	c.CPUPerEntry = float64(userAfter+systemAfter-user-system) / n
	c.Allocs = float64(after.Mallocs-before.Mallocs) / n
	c.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / n
	c.PeakKB = peak()
	if hold != "no" {
		runtime.GC()
		runtime.ReadMemStats(&held)
		c.HeldBytes = float64(held.HeapAlloc-before.HeapAlloc) / n
	}
	runtime.KeepAlive(&batch)
	runtime.KeepAlive(slice)
	return c, nil
}

// processorTime returns the process's user and system time in microseconds.
func processorTime() (user, system int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return u.Utime.Nano() / 1000, u.Stime.Nano() / 1000
}

func peak() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(rest)), "kB")))
			return kb
		}
	}
	return 0
}
