package regpol_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regpol"
)

// big returns a file of about n bytes in the proportions of real ones: a new key every eight values, mostly numbers.
func big(n int) []byte {
	out := regpol.AppendHeader(nil)
	for i := 0; len(out) < n; i++ {
		v := registry.DWord(uint32(i) << 12)
		switch i % 5 {
		case 3:
			v = registry.String(fmt.Sprintf("value %d; with [brackets] and more text", i))
		case 4:
			v = registry.Binary(bytes.Repeat([]byte{']', 0, '[', 0}, 200))
		}
		out, _ = regpol.AppendRecord(out, regpol.Record{
			Key: fmt.Sprintf(`Software\Policies\Ashdown\Application %d\Settings`, i/8), Name: fmt.Sprintf("SettingNumber%d", i),
			Type: v.Type, Data: v.Data})
	}
	return out
}

func BenchmarkDecode(b *testing.B) {
	data := big(27 << 20)
	entries := 0
	for _, err := range (regpol.Decoder{}).DecodeBytes(data) {
		if err != nil {
			b.Fatal(err)
		}
		entries++
	}
	b.Run(fmt.Sprintf("27MB-%d-entries", entries), func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			for range (regpol.Decoder{}).DecodeBytes(data) {
			}
		}
	})
	b.Run("27MB-Reader", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			for range regpol.Decode(bytes.NewReader(data)) {
			}
		}
	})
	b.Run("27MB-memcpy", func(b *testing.B) { // what the machine can do at most
		dst := make([]byte, len(data))
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			copy(dst, data)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	data := big(27 << 20)
	var entries []registry.Entry
	for e, err := range (regpol.Decoder{}).DecodeBytes(data) {
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, e)
	}
	b.Run("27MB", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := regpol.Encode(discard{}, func(yield func(registry.Entry) bool) {
				for _, e := range entries {
					if !yield(e) {
						return
					}
				}
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// TestSpeedFile writes a big file for another reader and says how long this one takes, for a comparison outside of Go.
func TestSpeedFile(t *testing.T) {
	name := os.Getenv("HYBRIDKIT_POL")
	if name == "" {
		t.Skip("HYBRIDKIT_POL names no file to write")
	}
	data := big(27 << 20)
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
	best, entries := time.Hour, 0
	for range 5 {
		start := time.Now()
		entries = 0
		for _, err := range (regpol.Decoder{}).DecodeBytes(data) {
			if err != nil {
				t.Fatal(err)
			}
			entries++
		}
		best = min(best, time.Since(start))
	}
	t.Logf("seconds %g entries %d", best.Seconds(), entries)
}
