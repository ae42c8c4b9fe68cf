package entra_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// soakCycles is how many cycles a soak runs: few in an ordinary test run, HYBRIDKIT_SOAK where that is set.
func soakCycles(t *testing.T, few int) int {
	v := os.Getenv("HYBRIDKIT_SOAK")
	if v == "" {
		return few
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err)
	return n
}

// accident is something that Graph does now and then.
func accident(rnd *rand.Rand) entratest.Fault {
	f := []entratest.Fault{
		entratest.TooManyRequests("0.249"), entratest.TooManyRequests("3"), entratest.ServiceUnavailable(""), entratest.BadGateway(),
		{Name: "lost", Method: http.MethodPatch, Where: entratest.ItemsOnly, Effect: true, Status: 504},
		{Name: "dropped", Drop: true}, {Name: "dropped after", Effect: true, Drop: true}, {Name: "500", Status: 500, Page: entratest.EmptyBody},
		{Name: "slow", Delay: 20 * time.Second},
	}[rnd.IntN(9)]
	f.Skip, f.Times = rnd.IntN(4), 1+rnd.IntN(5)
	return f
}

// TestSoak: cycle after cycle into a tenant that throttles, fails, drops connections and loses answers. What is written
// is what the organisation has, once the tenant is well again; nothing that was not due is touched; nothing grows.
func TestSoak(t *testing.T) {
	cycles := soakCycles(t, 60)
	before := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(4, 2))
		ad := memdir.New(memdir.Config{Seed: 5})
		staff, err := ad.AddOU("OU=Staff,DC=ashdown,DC=example")
		require.NoError(t, err)
		away, err := ad.AddOU("OU=Away,DC=ashdown,DC=example")
		require.NoError(t, err)
		server := entratest.New(entratest.Config{PageSize: 17, ShuffleBatch: true, EmptyPages: true, Seed: 8})
		type human struct {
			ad    ldapsync.GUID
			cloud string
			in    bool
		}
		people := make([]human, 60)
		for i := range people {
			upn := fmt.Sprintf("soak%03d@ashdown.example", i)
			id, err := ad.Add(ldapsync.NewObject(ldapsync.GUID{}, staff.DN.Child("CN", fmt.Sprintf("soak%03d", i)), ldapsync.User,
				ldapsync.Values("userPrincipalName", upn), ldapsync.Values("title", "Nurse"), ldapsync.Values("department", "Ward 1")))
			require.NoError(t, err)
			people[i] = human{id, server.AddUser(entratest.Object{"userPrincipalName": upn, "companyName": "Ashdown Vale", "city": "Ashdown"}), true}
		}
		state := memstate.New()
		budget := &entra.Budget{}
		engine := func() *ldapsync.Syncer {
			track := entra.UsersTrack("OU=Staff,DC=ashdown,DC=example", ldapsync.Mapping{ldapsync.Copy("title", "jobTitle"), ldapsync.Copy("department", "department")})
			g := target(t, server.Transport(), func(c *entra.Config) { c.Budget = budget })
			return &ldapsync.Syncer{Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track}}, Source: ad, Target: g, State: state, Workers: 8,
				Retry: ldapsync.Retry{Attempts: 3, Base: 50 * time.Millisecond}}
		}
		cycle := func() (int, error) {
			s := engine()
			p, err := s.Plan(t.Context())
			if err != nil {
				return 0, err
			}
			require.Empty(t, p.Trips)
			r, err := s.Apply(t.Context(), p, ldapsync.ApplyOptions{})
			if err == nil && !r.OK() {
				err = fmt.Errorf("%v", r.Problems)
			}
			if r == nil {
				return 0, err
			}
			return r.Writes, err
		}
		settled := func() {
			t.Helper()
			server.ClearFaults()
			for n := 0; ; n++ {
				require.Less(t, n, 6, "it never comes to rest")
				if writes, err := cycle(); err == nil && writes == 0 && n > 0 {
					break
				}
			}
			for i, h := range people {
				o, ok := ad.Object(h.ad)
				require.True(t, ok)
				u, ok := server.User(h.cloud)
				require.True(t, ok)
				for attr, property := range map[string]string{"title": "jobTitle", "department": "department"} {
					var want any
					if v, ok := o.Get(attr); ok && h.in {
						want = v
					}
					require.Equal(t, want, u[property], "person %d, %s", i, property)
				}
				require.Equal(t, "Ashdown Vale", u["companyName"])
				require.Equal(t, "Ashdown", u["city"])
			}
		}
		settled()
		failed := 0
		for n := range cycles {
			for range 1 + rnd.IntN(4) {
				h := &people[rnd.IntN(len(people))]
				switch rnd.IntN(6) {
				case 0, 1, 2:
					require.NoError(t, ad.Set(h.ad, "title", fmt.Sprint("Title ", rnd.IntN(1000))))
				case 3:
					require.NoError(t, ad.Set(h.ad, "department", fmt.Sprint("Ward ", rnd.IntN(9))))
				case 4:
					require.NoError(t, ad.Set(h.ad, "department"))
				case 5:
					to := staff.DN
					if h.in {
						to = away.DN
					}
					require.NoError(t, ad.Move(h.ad, to))
					h.in = !h.in
				}
			}
			for range rnd.IntN(3) {
				server.Script(accident(rnd))
			}
			if _, err := cycle(); err != nil {
				failed++
			}
			if n%2 == 1 { // before so much has changed that the guards want to be asked
				settled()
			}
		}
		settled()
		require.Positive(t, failed, "nothing went wrong: the test tests nothing")
		t.Logf("%d cycles, %d of them with something that could not be done at once", cycles, failed)
	})
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 10*time.Second, 10*time.Millisecond)
}
