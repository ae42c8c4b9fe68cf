package main

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// sizes are the users in the benchmarks. They run over LDAPS on loopback, so client and servers share the cores.
var sizes = []int{10_000, 100_000}

// estate starts two directories with n users and the engine between them.
func estate(b *testing.B, n int) (src *adtest.Server, s *ldapsync.Syncer) {
	b.Helper()
	var from, to bytes.Buffer
	fmt.Fprintf(&from, "dn: OU=Staff,DC=ashdown,DC=example\nobjectClass: organizationalUnit\n\n")
	fmt.Fprintf(&to, "dn: OU=People,DC=prov,DC=example\nobjectClass: organizationalUnit\n\n")
	for i := range n {
		name := fmt.Sprintf("user%06d", i)
		fmt.Fprintf(&from, "dn: CN=%s,OU=Staff,DC=ashdown,DC=example\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %s@ashdown.example\nmail: %s@mail.example\ntitle: Nurse\ndepartment: Ward %d\n\n", name, name, name, name, i%20)
		fmt.Fprintf(&to, "dn: CN=%s,OU=People,DC=prov,DC=example\nobjectClass: user\nsAMAccountName: av-%s\nmail: %s@mail.example\n\n", name, name, name)
	}
	src = adtest.New(b, adtest.Config{Domain: "ashdown.example", LDIF: &from})
	dst := adtest.New(b, adtest.Config{Domain: "prov.example", LDIF: &to})
	s = &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "bench", Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}, Tracks: []ldapsync.Track{
			ldapsync.UsersTrack("OU=Staff,DC=ashdown,DC=example", "OU=People,DC=prov,DC=example", append(ldapsync.CloudSSOUsers(ldapsync.DefaultCarriers()), ldapsync.UserProfile("title", "department")...)),
		}},
		Source: connect(b, src, "reader"), Target: connect(b, dst, "writer"), State: memstate.New(),
		Now: func() time.Time { return demoTime },
	}
	return src, s
}

func connect(b *testing.B, s *adtest.Server, account string) *ldapdir.Dir {
	b.Helper()
	dir, err := ldapdir.Open(ldapdir.Config{
		URL: s.TLSURL(), TLS: ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()},
		Bind: ldapdir.Simple{User: account + "@" + s.DNSHostName()[len("dc1."):], Password: ldapdir.NewSecret("Passw0rd-" + account)},
	})
	require.NoError(b, err)
	b.Cleanup(func() { dir.Close() })
	return dir
}

// BenchmarkRead streams the OU.
func BenchmarkRead(b *testing.B) {
	ctx := context.Background()
	for _, n := range sizes {
		_, s := estate(b, n)
		c, err := s.Source.Container(ctx, ldapsync.ContainerRef{DN: "OU=Staff,DC=ashdown,DC=example"})
		require.NoError(b, err)
		q := ldapsync.Query{Class: ldapsync.User, Container: c, Attrs: []string{"sAMAccountName", "userPrincipalName", "mail", "title", "department", "objectSid"}}
		b.Run(fmt.Sprintf("adtest/objects=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, err := range s.Source.Read(ctx, q) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}

// BenchmarkApplyThenPlan writes the initial synchronisation, then plans what is synchronised, unchanged and
// with one user in a hundred changed: one benchmark, because the first half prepares the second.
func BenchmarkApplyThenPlan(b *testing.B) {
	ctx := context.Background()
	for _, n := range sizes {
		src, s := estate(b, n)
		p, err := s.Plan(ctx)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("apply/adtest/objects=%d", n), func(b *testing.B) {
			if b.N > 1 {
				b.Skip("writes once: run with -benchtime=1x")
			}
			b.ReportAllocs()
			r, err := s.Apply(ctx, p, ldapsync.ApplyOptions{})
			require.NoError(b, err)
			require.Equal(b, n, r.Writes)
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "writes/s")
		})
		for _, percent := range []int{0, 1} {
			for i := range n * percent / 100 {
				require.NoError(b, src.Set(fmt.Sprintf("CN=user%06d,OU=Staff,DC=ashdown,DC=example", i*100), "title", "Sister"))
			}
			b.Run(fmt.Sprintf("plan/adtest/objects=%d/changed=%d%%", n, percent), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p, err := s.Plan(ctx)
					if err != nil || p.Count(ldapsync.ActionUpdate) != n*percent/100 {
						b.Fatal(p.Count(ldapsync.ActionUpdate), err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
			})
		}
	}
}
