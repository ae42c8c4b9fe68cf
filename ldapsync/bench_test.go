package ldapsync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// sizes are the objects of the benchmarks.
var sizes = []int{10_000, 100_000}

// estate is an organisation of n users in memory, with the engine that synchronises it.
func estate(b *testing.B, n int) (src, dst *memdir.Dir, s *ldapsync.Syncer, ids []ldapsync.GUID) {
	b.Helper()
	src, dst = memdir.New(memdir.Config{Seed: 1}), memdir.New(memdir.Config{Seed: 2})
	in, out := ldapsync.MustParseDN(usersOU), ldapsync.MustParseDN(people)
	_, err := src.AddOU(usersOU)
	require.NoError(b, err)
	for i := range n {
		name := fmt.Sprintf("user%06d", i)
		id, err := src.Add(ldapsync.NewObject(ldapsync.GUID{}, in.Child("CN", name), ldapsync.User,
			ldapsync.Values("sAMAccountName", name), ldapsync.Values("userPrincipalName", name+"@ashdown.example"), ldapsync.Values("objectSid", sid(1000+i)),
			ldapsync.Values("title", "Nurse"), ldapsync.Values("department", fmt.Sprint("Ward ", i%20))))
		require.NoError(b, err)
		ids = append(ids, id)
		_, err = dst.Add(ldapsync.NewObject(ldapsync.GUID{}, out.Child("CN", name), ldapsync.User, ldapsync.Values("userPrincipalName", name+"@ashdown.example")))
		require.NoError(b, err)
	}
	s = &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "bench", Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}, Tracks: []ldapsync.Track{
			ldapsync.UsersTrack(usersOU, people, append(ldapsync.CloudSSOUsers(ldapsync.DefaultCarriers()), ldapsync.UserProfile("title", "department")...)),
		}},
		Source: src, Target: dst, State: memstate.New(), Now: func() time.Time { return clock },
	}
	return src, dst, s, ids
}

// BenchmarkPlan plans an estate that is synchronised, unchanged or with one user in a hundred changed.
func BenchmarkPlan(b *testing.B) {
	ctx := context.Background()
	for _, n := range sizes {
		src, _, s, ids := estate(b, n)
		p, err := s.Plan(ctx)
		require.NoError(b, err)
		_, err = s.Apply(ctx, p, ldapsync.ApplyOptions{})
		require.NoError(b, err)
		for _, percent := range []int{0, 1} {
			for i := range n * percent / 100 {
				require.NoError(b, src.Set(ids[i*100], "title", "Sister"))
			}
			b.Run(fmt.Sprintf("objects=%d/changed=%d%%", n, percent), func(b *testing.B) {
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

// BenchmarkApply writes the initial synchronisation.
func BenchmarkApply(b *testing.B) {
	ctx := context.Background()
	for _, n := range sizes {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			_, dst, s, _ := estate(b, n)
			p, err := s.Plan(ctx)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s.Target, s.State = dst.Clone(), memstate.New()
				b.StartTimer()
				r, err := s.Apply(ctx, p, ldapsync.ApplyOptions{})
				if err != nil || r.Writes != n {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}
