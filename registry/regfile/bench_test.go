package regfile_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regfile"
)

// export returns about n bytes of version 5 as reg export writes it: two values per key, some of them folded.
func export(b *testing.B, n int) ([]byte, int) {
	var out bytes.Buffer
	count := 0
	err := regfile.Encode(&out, func(yield func(registry.Entry) bool) {
		for i := 0; out.Len() < n-64<<10; i++ {
			p := registry.HKLM(fmt.Sprintf(`SOFTWARE\Ashdown\Component %d\{0d2b9c3e-1f4a-4b7c-9a55-%012d}`, i%97, i))
			v := registry.String(fmt.Sprintf(`C:\Program Files\Ashdown Vale\part%d.dll`, i))
			if i%5 == 0 {
				v = registry.ExpandString(`%SystemRoot%\System32\part.dll,-` + fmt.Sprint(i))
			}
			for _, e := range []registry.Entry{
				{Op: registry.CreateKey, Path: p},
				{Op: registry.Set, Path: p, Name: "Path", Value: v},
				{Op: registry.Set, Path: p, Name: "Flags", Value: registry.DWord(uint32(i))},
				{Op: registry.Set, Path: p, Name: "Blob", Value: registry.Binary(bytes.Repeat([]byte{byte(i)}, i%40))},
			} {
				count++
				if !yield(e) {
					return
				}
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return out.Bytes(), count
}

func BenchmarkDecode(b *testing.B) {
	data, n := export(b, 16<<20)
	b.Run(fmt.Sprintf("16MB-%d-entries", n), func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			for _, err := range regfile.Decode(bytes.NewReader(data)) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("16MB-read-only", func(b *testing.B) { // the limit: the bytes alone
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := io.Copy(io.Discard, io.LimitReader(bytes.NewReader(data), int64(len(data)))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	data, _ := export(b, 16<<20)
	var entries []registry.Entry
	for e := range regfile.Decode(bytes.NewReader(data)) {
		entries = append(entries, e)
	}
	b.Run("16MB", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := regfile.Encode(io.Discard, func(yield func(registry.Entry) bool) {
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
