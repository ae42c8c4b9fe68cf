package boltstate_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/boltstate"
)

const (
	usersOU = "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	people  = "OU=Ashdown,DC=prov,DC=example"
)

var clock = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// A farm is two directories of n users that take no memory: the objects are computed when they are read. The
// target remembers what was written to it.
type farm struct {
	n       int
	every   int // the title of each every-th user changed at the source; 0: of none
	ou      ldapsync.Container
	people  ldapsync.Container
	mapping ldapsync.Mapping
	env     ldapsync.Env
	synced  int // the users below this number were synchronised

	mu      sync.Mutex
	written map[int]ldapsync.Object
}

func newFarm(n int) *farm {
	return &farm{
		n:       n,
		synced:  n,
		ou:      ldapsync.Container{ID: ldapsync.GUID{15: 1}, DN: ldapsync.MustParseDN(usersOU)},
		people:  ldapsync.Container{ID: ldapsync.GUID{15: 2}, DN: ldapsync.MustParseDN(people)},
		mapping: append(ldapsync.CloudSSOUsers(ldapsync.DefaultCarriers()), ldapsync.UserProfile("title", "department")...),
		env:     ldapsync.Env{Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}, Now: clock},
		written: make(map[int]ldapsync.Object),
	}
}

// id is an identity in no particular order, from which the number can be told.
func (f *farm) id(side byte, i int) (g ldapsync.GUID) {
	binary.BigEndian.PutUint64(g[:], uint64(i)*0x9e3779b97f4a7c15)
	g[7] = side
	binary.BigEndian.PutUint64(g[8:], uint64(i))
	return g
}

func number(g ldapsync.GUID) int { return int(binary.BigEndian.Uint64(g[8:])) }

func (f *farm) source(i int) ldapsync.Object {
	if f.every > 0 && i%f.every == 0 {
		return f.person(i, "Sister")
	}
	return f.person(i, "Nurse")
}

func (f *farm) person(i int, title string) ldapsync.Object {
	name := fmt.Sprintf("user%07d", i)
	return ldapsync.NewObject(f.id(1, i), f.ou.DN.Child("CN", name), ldapsync.User,
		ldapsync.Values("department", "Ward "+strconv.Itoa(i%20)), ldapsync.Values("objectSid", sidOf(i)),
		ldapsync.Values("sAMAccountName", name), ldapsync.Values("title", title), ldapsync.Values("userPrincipalName", name+"@ashdown.example"))
}

func sidOf(i int) string {
	b := []byte("\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x8d\x03\xc8\x0c\xde\xb1\x3d\xec\x74\x18\xbc\x49\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[len(b)-4:], uint32(1000+i))
	return string(b)
}

// synchronised lists what the engine writes for a user, but for the anchor.
func (f *farm) synchronised(i int) []ldapsync.Attr {
	out, err := f.mapping.Apply(f.person(i, "Nurse"), f.env)
	if err != nil {
		panic(err)
	}
	var attrs []ldapsync.Attr
	for _, o := range out {
		if o.Result.Kind == ldapsync.KindSet {
			attrs = append(attrs, ldapsync.Values(o.To, o.Result.Values...))
		}
	}
	return append(attrs, ldapsync.Values("mS-DS-ConsistencyGuid", f.id(1, i).Raw()))
}

func (f *farm) target(i int) ldapsync.Object {
	f.mu.Lock()
	o, ok := f.written[i]
	f.mu.Unlock()
	if ok {
		return o
	}
	name := fmt.Sprintf("user%07d", i)
	attrs := []ldapsync.Attr{ldapsync.Values("userPrincipalName", name+"@ashdown.example")}
	if i < f.synced {
		attrs = append(attrs, f.synchronised(i)...)
	}
	return ldapsync.NewObject(f.id(2, i), f.people.DN.Child("CN", name), ldapsync.User, attrs...)
}

// syncer is the engine between the two.
func (f *farm) syncer(state ldapsync.State) *ldapsync.Syncer {
	return &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "farm", Domain: f.env.Domain, Tracks: []ldapsync.Track{ldapsync.UsersTrack(usersOU, people, f.mapping)}},
		Source:       farmSource{f}, Target: farmTarget{f}, State: state, Now: func() time.Time { return clock },
	}
}

// prepare synchronises the users, some at a time because a plan holds its items.
func (f *farm) prepare(ctx context.Context, s ldapsync.State) error {
	n := f.n
	for f.n, f.synced = 0, 0; f.synced < n; f.synced = f.n {
		f.n = min(n, f.n+100_000)
		f.written = make(map[int]ldapsync.Object)
		if _, _, err := f.cycle(ctx, f.syncer(s)); err != nil {
			return err
		}
	}
	f.written = make(map[int]ldapsync.Object)
	return nil
}

type farmSource struct{ *farm }

func (s farmSource) Info(context.Context) (ldapsync.DirectoryInfo, error) {
	return ldapsync.DirectoryInfo{Kind: "memory", Domain: s.env.Domain}, nil
}
func (s farmSource) Container(context.Context, ldapsync.ContainerRef) (ldapsync.Container, error) {
	return s.ou, nil
}
func (s farmSource) ChildContainers(context.Context, ldapsync.Container) ([]ldapsync.Container, error) {
	return nil, nil
}

// Read shows the objects in an order that has nothing to do with the target's.
func (s farmSource) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for k := range s.n {
			if !yield(s.source(int(uint64(k)*7_368_787%uint64(s.n))), nil) { // a prime: each once
				return
			}
		}
	}
}
func (s farmSource) Locate(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	return s.source(number(id)), nil
}

type farmTarget struct{ *farm }

func (t farmTarget) Info(context.Context) (ldapsync.DirectoryInfo, error) {
	return ldapsync.DirectoryInfo{Kind: "memory"}, nil
}
func (t farmTarget) Container(context.Context, ldapsync.ContainerRef) (ldapsync.Container, error) {
	return t.people, nil
}
func (t farmTarget) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for i := range t.n {
			if !yield(t.target(i), nil) {
				return
			}
		}
	}
}
func (t farmTarget) Get(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	return t.target(number(id)).Select(attrs...), nil
}
func (t farmTarget) Write(ctx context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	o := t.target(number(c.ID))
	for _, e := range c.Edits {
		if !ldapsync.SameValues(o.All(e.Attr), e.Before) {
			return c.ID, ldapsync.ErrPrecondition
		}
		o = o.With(e.Attr, e.After...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written[number(c.ID)] = o
	return c.ID, nil
}

// cycle plans and applies, and checks that as many users were written as changed.
func (f *farm) cycle(ctx context.Context, s *ldapsync.Syncer) (plan, apply time.Duration, err error) {
	start := time.Now()
	p, err := s.Plan(ctx)
	if err != nil {
		return 0, 0, err
	}
	plan = time.Since(start)
	want := 0
	switch {
	case f.synced < f.n:
		want = f.n - f.synced
	case f.every > 0:
		want = (f.n + f.every - 1) / f.every
	}
	if c := p.Counts[0]; c.Read != f.n || c.Target != f.n || c.Unchanged != f.n-want || p.Count(ldapsync.ActionUpdate) != want || len(p.Items) != want || len(p.Trips) > 0 {
		return 0, 0, fmt.Errorf("the plan is wrong: %+v, %d items instead of %d, %v", c, len(p.Items), want, p.Trips)
	}
	r, err := s.Apply(ctx, p, ldapsync.ApplyOptions{})
	if err != nil {
		return 0, 0, err
	}
	if !r.OK() || r.Writes != want {
		return 0, 0, fmt.Errorf("applying is wrong: %d writes instead of %d, %+v", r.Writes, want, r)
	}
	return plan, time.Since(start) - plan, nil
}

// BenchmarkCycle plans and applies, with the state in a file and directories that take no memory, so that the
// allocations are the engine's, and the cost of computing two objects.
func BenchmarkCycle(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		var state *boltstate.State // prepared by the first sub-benchmark that runs
		for _, percent := range []int{0, 1} {
			b.Run(fmt.Sprintf("objects=%d/changed=%d%%", n, percent), func(b *testing.B) {
				f := newFarm(n)
				if state == nil {
					var err error
					state, err = boltstate.Open(filepath.Join(b.TempDir(), "state"), boltstate.Options{})
					require.NoError(b, err)
					require.NoError(b, f.prepare(ctx, state))
				}
				s := f.syncer(state)
				b.ReportAllocs()
				for b.Loop() {
					if percent > 0 {
						f.every = 100 / percent
						f.written = make(map[int]ldapsync.Object)
					}
					if _, _, err := f.cycle(ctx, s); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
			})
		}
		if state != nil {
			require.NoError(b, state.Close())
		}
	}
}

// TestScale runs each cycle in a process of its own and says how large it became. It is for SCALE users, and
// fails if a process was larger than SCALE_RSS megabytes (where that is set). SCALE_CYCLES names the cycles:
// unchanged, changed (one user in a hundred), first (everything is written).
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SCALE"))
	if n == 0 {
		t.Skip("SCALE is not set to a number of users")
	}
	limit, _ := strconv.Atoi(os.Getenv("SCALE_RSS"))
	if os.Getenv("SCALE_CYCLE") != "" {
		scaleCycle(t, n)
		return
	}
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "state")
	state, err := boltstate.Open(path, boltstate.Options{})
	require.NoError(t, err)
	require.NoError(t, newFarm(n).prepare(ctx, state))
	require.NoError(t, state.Close())
	cycles := strings.Fields(cmp.Or(os.Getenv("SCALE_CYCLES"), "unchanged changed"))
	for _, cycle := range cycles {
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestScale$", "-test.v", "-test.timeout=2h")
		cmd.Env = append(os.Environ(), "SCALE_CYCLE="+cycle, "SCALE_STATE="+path)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		found := false
		for line := range strings.Lines(string(out)) {
			if rest, ok := strings.CutPrefix(line, "scale: "); ok {
				fmt.Print(line)
				_, mb, _ := strings.Cut(rest, "rss=")
				rss, err := strconv.ParseFloat(strings.TrimSuffix(strings.Fields(mb)[0], "MB"), 64)
				require.NoError(t, err)
				require.True(t, limit == 0 || rss < float64(limit), "%s: the limit is %d MB", line, limit)
				found = true
			}
		}
		require.True(t, found, "%s", out)
	}
}

// scaleCycle runs one cycle and prints its figures.
func scaleCycle(t *testing.T, n int) {
	ctx := context.Background()
	f := newFarm(n)
	path := os.Getenv("SCALE_STATE")
	switch os.Getenv("SCALE_CYCLE") {
	case "unchanged":
	case "changed":
		f.every = 100
	case "first":
		f.synced = 0
		path = filepath.Join(t.TempDir(), "state")
	default:
		t.Fatal("SCALE_CYCLE is none of unchanged, changed, first")
	}
	state, err := boltstate.Open(path, boltstate.Options{})
	require.NoError(t, err)
	defer state.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	plan, apply, err := f.cycle(ctx, f.syncer(state))
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	mem := memoryOfProcess(t)
	info, err := os.Stat(path)
	require.NoError(t, err)
	fmt.Printf("scale: %d objects %s: rss=%.0fMB plan=%.1fs apply=%.1fs cpu=%.1fs heap=%.0fMB allocations/object=%.0f state=%.0fMB\n", n, os.Getenv("SCALE_CYCLE"),
		mem["VmHWM"], plan.Seconds(), apply.Seconds(), cpuOfProcess(t), float64(after.HeapSys)/1e6, float64(after.Mallocs-before.Mallocs)/float64(n), float64(info.Size())/1e6)
}

// memoryOfProcess reads the sizes in /proc/self/status, in megabytes (10^6 bytes).
func memoryOfProcess(t *testing.T) map[string]float64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip("the size of a process is read from /proc, which is not here")
	}
	defer file.Close()
	out := make(map[string]float64)
	for sc := bufio.NewScanner(file); sc.Scan(); {
		name, rest, _ := strings.Cut(sc.Text(), ":")
		if f := strings.Fields(rest); len(f) == 2 && f[1] == "kB" {
			kb, err := strconv.ParseFloat(f[0], 64)
			require.NoError(t, err)
			out[name] = kb * 1024 / 1e6
		}
	}
	require.Positive(t, out["VmHWM"], "%v", slices.Collect(maps.Keys(out)))
	return out
}

// cpuOfProcess reads the seconds of processor time from /proc/self/stat, which counts hundredths.
func cpuOfProcess(t *testing.T) float64 {
	b, err := os.ReadFile("/proc/self/stat")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(b), ") ") // after the name of the program
	require.True(t, ok)
	f := strings.Fields(rest)
	sum := 0
	for _, ticks := range f[11:13] { // utime and stime
		n, err := strconv.Atoi(ticks)
		require.NoError(t, err)
		sum += n
	}
	return float64(sum) / 100
}
