package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// soakSite is an organisation in which something happens all the time.
type soakSite struct {
	*site
	t       *testing.T
	rnd     *rand.Rand
	n       int          // people so far
	in      []int        // people in the organisational unit
	out     []int        // people elsewhere
	deleted map[int]bool // people of whom nothing is left
}

const (
	soakUsers = "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	soakAway  = "OU=Starters,DC=ashdown,DC=example"
)

func newSoak(t *testing.T, seed uint64) *soakSite {
	s := &soakSite{t: t, rnd: rand.New(rand.NewPCG(seed, 5)), deleted: map[int]bool{}}
	s.site = newSite(t, replace(`"caFile": "src-ca.pem"`, `"caFile": "src-ca.pem", "changes": "auto"`))
	// The people of the demonstration are not part of this: some of them are never in order.
	old, err := s.src.Entries(soakUsers)
	require.NoError(t, err)
	for _, e := range old {
		if strings.HasPrefix(e.DN, "CN=") {
			require.NoError(t, s.src.Delete(e.DN))
		}
	}
	for range 60 {
		s.hire()
	}
	return s
}

func soakName(i int) string { return fmt.Sprintf("soak%04d", i) }

func (s *soakSite) dn(i int, ou string) string { return "CN=" + soakName(i) + "," + ou }

func (s *soakSite) hire() {
	i := s.n
	s.n++
	upn := soakName(i) + "@ashdown.example"
	_, err := s.src.Add(s.dn(i, soakUsers), adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {soakName(i)}, "userPrincipalName": {upn}, "mail": {upn}, "title": {"Nurse"}, "department": {"Ward 1"}})
	require.NoError(s.t, err)
	_, err = s.dst.Add("CN="+soakName(i)+","+demoPeople, adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {"p-" + soakName(i)}, "mail": {upn}})
	require.NoError(s.t, err)
	s.in = append(s.in, i)
}

// live lets a few things happen to the organisation.
func (s *soakSite) live() {
	pick := func(from []int) (int, int) { k := s.rnd.IntN(len(from)); return k, from[k] }
	for range 1 + s.rnd.IntN(3) {
		switch what := s.rnd.IntN(8); {
		case what < 3:
			_, i := pick(s.in)
			require.NoError(s.t, s.src.Set(s.dn(i, soakUsers), "title", fmt.Sprint("Title ", s.rnd.IntN(1000))))
		case what == 3:
			_, i := pick(s.in)
			ward := []string{fmt.Sprint("Ward ", s.rnd.IntN(9))}
			if s.rnd.IntN(3) == 0 {
				ward = nil
			}
			require.NoError(s.t, s.src.Set(s.dn(i, soakUsers), "department", ward...))
		case what == 4 && len(s.in) > 40:
			k, i := pick(s.in)
			require.NoError(s.t, s.src.Move(s.dn(i, soakUsers), s.dn(i, soakAway)))
			s.in, s.out = slices.Delete(s.in, k, k+1), append(s.out, i)
		case what == 5 && len(s.out) > 0:
			k, i := pick(s.out)
			require.NoError(s.t, s.src.Move(s.dn(i, soakAway), s.dn(i, soakUsers)))
			s.out, s.in = slices.Delete(s.out, k, k+1), append(s.in, i)
		case what == 6 && len(s.in) > 40:
			k, i := pick(s.in)
			require.NoError(s.t, s.src.Delete(s.dn(i, soakUsers)))
			s.in = slices.Delete(s.in, k, k+1)
			s.deleted[i] = true
		case what == 7 && s.n < 400:
			s.hire()
		}
	}
}

// breaks makes something go wrong until the returned function is called.
func (s *soakSite) breaks() (over func()) {
	at, entries := 1+s.rnd.IntN(25), s.rnd.IntN(20)
	hook := func(dc *adtest.Server, hit func(r adtest.Request) bool, f adtest.Fault) func() {
		dc.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
			if hit(r) {
				return f
			}
			return adtest.Fault{}
		})
		return func() { dc.SetHook(nil) }
	}
	nth := func(r adtest.Request) bool { return int(r.Seq)%25 == at }
	some := func(r adtest.Request) bool { return r.Op.Writes() && int(r.Seq)%3 == at%3 }
	switch s.rnd.IntN(12) {
	case 0:
		return hook(s.src, nth, adtest.Fault{Drop: adtest.DropBefore})
	case 1:
		return hook(s.src, nth, adtest.Fault{Drop: adtest.DropAfter, Entries: entries})
	case 2:
		return hook(s.src, nth, adtest.Fault{Code: []int{adtest.ResultBusy, adtest.ResultUnavailable, adtest.ResultTimeLimitExceeded, adtest.ResultSizeLimitExceeded, adtest.ResultReferral}[s.rnd.IntN(5)], Entries: entries})
	case 3:
		return hook(s.src, func(r adtest.Request) bool { return r.Op == adtest.OpSearch && r.Scope == adtest.ScopeOneLevel }, adtest.Fault{LosePage: true})
	case 4:
		lift, err := s.src.Deny(adtest.Denial{Account: "reader", DN: soakUsers, Subtree: true, Right: adtest.ReadProperty, Attribute: []string{"title", "department", "userPrincipalName"}[s.rnd.IntN(3)]})
		require.NoError(s.t, err)
		return lift
	case 5:
		lift, err := s.src.Deny(adtest.Denial{Account: "reader", DN: soakUsers, Right: adtest.ListContents})
		require.NoError(s.t, err)
		return lift
	case 6:
		s.src.SetRootDSE("dnsHostName", "dc2.ashdown.example")
		return func() { s.src.SetRootDSE("dnsHostName", s.src.DNSHostName()) }
	case 7:
		return hook(s.dst, some, adtest.Fault{Drop: adtest.DropAfter})
	case 8:
		return hook(s.dst, some, adtest.Fault{Drop: adtest.DropBefore})
	case 9:
		return hook(s.dst, some, adtest.Fault{Code: adtest.ResultBusy})
	case 10:
		require.NoError(s.t, s.src.SetInvocationID(adtest.GUID{byte(s.rnd.IntN(255)), byte(s.rnd.IntN(255)), 1}))
	case 11:
		s.src.DropConnections()
		s.dst.DropConnections()
	}
	return func() {}
}

// settled requires that the target is what the organisation is, once nothing goes wrong any more.
func (s *soakSite) settled() {
	s.t.Helper()
	var errs string
	code := -1
	for n := 0; n < 8; n++ {
		var stdout string
		code, stdout, errs = call(s.t, "", "apply", "-config", s.config)
		if n >= 2 && code == exitOK && strings.Contains(stdout, "0 written to the target") {
			break // who is found nowhere counts as deleted in the second cycle
		}
		require.NotEqual(s.t, exitError, code, errs)
	}
	require.Equal(s.t, exitOK, code, errs)
	person := func(i int) adtest.Entry {
		e, err := s.dst.Get("CN=" + soakName(i) + "," + demoPeople)
		require.NoError(s.t, err)
		return e
	}
	for _, i := range s.in {
		u, err := s.src.Get(s.dn(i, soakUsers))
		require.NoError(s.t, err)
		p := person(i)
		if !slices.Equal(u.Get("title"), p.Get("title")) || !slices.Equal(u.Get("department"), p.Get("department")) {
			_, why, _ := call(s.t, "", "explain", "-config", s.config, u.DN)
			s.t.Fatalf("%s has title %q and department %q; the target has %q and %q\n%s", soakName(i), u.Get("title"), u.Get("department"), p.Get("title"), p.Get("department"), why)
		}
	}
	gone := slices.Clone(s.out)
	for i := range s.deleted {
		gone = append(gone, i)
	}
	for _, i := range gone {
		p := person(i)
		if t, d := p.Get("title"), p.Get("department"); len(t)+len(d) > 0 {
			_, why, _ := call(s.t, "", "explain", "-config", s.config, s.dn(i, soakAway))
			s.t.Fatalf("%s has left, deleted %v; the target still has title %q and department %q\n%s", soakName(i), s.deleted[i], t, d, why)
		}
	}
}

// soakCycles is how many cycles the soak tests run: few in an ordinary test run, HYBRIDKIT_SOAK where that is set.
func soakCycles(t *testing.T, few int) int {
	if v := os.Getenv("HYBRIDKIT_SOAK"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	return few
}

// TestSoak: cycle after cycle, with something going wrong in most of them, nothing is lost and nothing grows: no
// goroutine, no open file, no temporary file, not the heap, and the state no more than the people and what Undo
// keeps.
func TestSoak(t *testing.T) {
	cycles := soakCycles(t, 40)
	s := newSoak(t, 11)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s.settled()
	type size struct {
		goroutines, files, temp int
		heap                    uint64
		state                   int64
	}
	measure := func() (z size) {
		s.src.DropConnections()
		s.dst.DropConnections()
		for range 50 { // goroutines of connections that were closed need a moment
			runtime.GC()
			if z.goroutines = runtime.NumGoroutine(); z.goroutines < 30 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		z.heap = m.HeapAlloc
		if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
			z.files = len(fds)
		}
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		z.temp = len(left)
		info, err := os.Stat(filepath.Join(s.dir, "ashdown.state"))
		require.NoError(t, err)
		z.state = info.Size()
		return z
	}
	var early size
	outcomes := map[int]int{}
	for n := range cycles {
		s.live()
		over := func() {}
		if s.rnd.IntN(3) > 0 {
			over = s.breaks()
		}
		code, _, _ := call(t, "", "apply", "-config", s.config)
		outcomes[code]++
		over()
		if n%10 == 9 {
			s.settled()
		}
		if n == cycles/4 {
			s.settled()
			early = measure()
		}
	}
	s.settled()
	late := measure()
	t.Logf("%d cycles ended with these exit codes: %v; sizes after a quarter %+v, at the end %+v", cycles, outcomes, early, late)
	require.Positive(t, outcomes[exitOK])
	require.Positive(t, outcomes[exitError], "nothing went wrong: the test tests nothing")
	require.LessOrEqual(t, late.goroutines, early.goroutines+2)
	require.LessOrEqual(t, late.files, early.files+2)
	require.Zero(t, late.temp)
	require.Less(t, late.heap, 2*early.heap+16<<20)
	require.Less(t, late.state, 4*early.state+4<<20)
}

// TestSoakKilled: a real process that is killed at random, again and again, sometimes with a second one beside it,
// leaves nothing that the next one does not put right.
func TestSoakKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be killed by a signal")
	}
	kills := soakCycles(t, 12) / 4
	s := newSoak(t, 12)
	s.settled()
	rnd := rand.New(rand.NewPCG(9, 9))
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSoakChild$")
		cmd.Env = append(os.Environ(), "HYBRIDKIT_SOAK_CHILD="+s.config)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		require.NoError(t, cmd.Start())
		return cmd
	}
	killed := 0
	for n := range max(kills, 3) {
		if n%3 == 2 {
			s.settled() // before so many have left that the guards want to be asked
		}
		s.live()
		cmd := start()
		var second *exec.Cmd
		if rnd.IntN(3) == 0 {
			second = start()
		}
		time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
		s.live()
		for _, c := range []*exec.Cmd{cmd, second} {
			if c != nil && c.Process.Kill() == nil {
				_ = c.Wait()
				killed++
			}
		}
	}
	require.Positive(t, killed)
	s.settled()
}

// TestSoakChild is the process that TestSoakKilled kills.
func TestSoakChild(t *testing.T) {
	config := os.Getenv("HYBRIDKIT_SOAK_CHILD")
	if config == "" {
		t.Skip("only TestSoakKilled starts this")
	}
	os.Exit(run(context.Background(), []string{"run", "-config", config, "-interval", "1ms"}, nil, os.Stdout, os.Stderr))
}

// TestFullDisk: with no room for the state nothing is written to the target; with room again everything is.
func TestFullDisk(t *testing.T) {
	small := os.Getenv("TMPDIR_SMALL")
	if small == "" {
		t.Skip("TMPDIR_SMALL names no small file system: .ci/run step 15-soak makes one")
	}
	state := filepath.Join(small, "ashdown.state")
	s := newSite(t, replace(`"state": "ashdown.state"`, fmt.Sprintf(`"state": %q`, state)))
	filler := filepath.Join(small, "filler")
	require.NoError(t, os.WriteFile(filler, make([]byte, 200<<10), 0o600))
	before := s.dump(t)
	for range 3 {
		code, _, errs := call(t, "", "apply", "-config", s.config)
		require.Equal(t, exitError, code)
		require.Contains(t, errs, "no space left on device")
	}
	require.Equal(t, before, s.dump(t), "nothing was written that could not be remembered")
	require.NoError(t, os.Remove(filler))
	require.NoError(t, exec.Command("mount", "-o", "remount,size=64m", small).Run())
	code, out, errs := call(t, "", "apply", "-config", s.config)
	require.Zero(t, code, errs)
	require.Contains(t, out, "308 written to the target")
}
