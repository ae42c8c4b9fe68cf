package registrytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/registrytest"
)

// A recorder is a testing.TB that remembers failures instead of failing.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatal(args ...any) {
	r.failures = append(r.failures, fmt.Sprint(args...))
	panic(r)
}
func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// failures runs f with a recorder.
func failures(t *testing.T, f func(testing.TB)) (list []string) {
	r := &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		list = r.failures
	}()
	f(r)
	return
}

func one(value uint32) registrytest.Map {
	return registrytest.Map{`HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters`: {"MaxFieldLength": registry.DWord(value), "MaxRequestBytes": registry.DWord(65534)}}
}

// TestHelpersFail: each helper must notice what it is for.
func TestHelpersFail(t *testing.T) {
	http := `HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\MaxFieldLength`
	for name, tt := range map[string]struct {
		want string // "" means no failure
		f    func(testing.TB)
	}{
		"equal":     {"", func(t testing.TB) { registrytest.Equal(t, one(1).Snapshot(t), one(1).Snapshot(t)) }},
		"not equal": {"MaxFieldLength REG_DWORD 1", func(t testing.TB) { registrytest.Equal(t, one(1).Snapshot(t), one(2).Snapshot(t)) }},
		"no drift":  {"", func(t testing.TB) { registrytest.Drift(t, registry.HTTPSys(), one(65534).Snapshot(t)) }},
		"drift": {"", func(t testing.TB) {
			registrytest.Drift(t, registry.HTTPSys(), one(0x65534).Snapshot(t), "hex-decimal-slip "+http)
		}},
		"other drift": {"out-of-range", func(t testing.TB) {
			registrytest.Drift(t, registry.HTTPSys(), one(65536).Snapshot(t), "hex-decimal-slip "+http)
		}},
		"missed drift": {"want", func(t testing.TB) { registrytest.Drift(t, registry.HTTPSys(), one(65534).Snapshot(t), "missing x") }},
		"bad path":     {"no known root", func(t testing.TB) { registrytest.Map{"x": {}}.Snapshot(t) }},
		"bad entry": {"cannot apply", func(t testing.TB) {
			registrytest.Collect(t, func(yield func(registry.Entry, error) bool) { yield(registry.Entry{}, nil) })
		}},
		"no golden": {"REGISTRYTEST_UPDATE", func(t testing.TB) { registrytest.Golden(t, "testdata/none", nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(failures(t, tt.f), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("failures %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGolden(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sub", "golden")
	t.Setenv("REGISTRYTEST_UPDATE", "1")
	registrytest.Golden(t, name, []byte("line one\nline two\n"))
	t.Setenv("REGISTRYTEST_UPDATE", "")
	registrytest.Golden(t, name, []byte("line one\nline two\n"))
	got := strings.Join(failures(t, func(t testing.TB) { registrytest.Golden(t, name, []byte("line one\nline too\n")) }), "")
	if !strings.Contains(got, "byte 15") {
		t.Error(got)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "line one\nline two\n" {
		t.Error("the golden file changed")
	}
}

func ExampleDump() {
	snap := registrytest.Map{
		`HKLM\SOFTWARE\Ashdown`: {"": registry.String("default"), "Mode": registry.DWord(7)},
	}.Snapshot(&testing.T{})
	fmt.Print(registrytest.Dump(snap))
	// Output:
	// HKLM\SOFTWARE\Ashdown\(Default) REG_SZ "default"
	// HKLM\SOFTWARE\Ashdown\Mode REG_DWORD 7 (0x7)
}
