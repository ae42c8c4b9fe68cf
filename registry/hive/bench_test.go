package hive_test

import (
	"fmt"
	"os"
	"testing"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/hive"
)

// BenchmarkWalk visits every key and the data of every value, from the bytes of the file on. HYBRIDKIT_HIVE names
// a hive to use instead of the synthetic one; the CI step walks the same hive with another reader.
func BenchmarkWalk(b *testing.B) {
	var data []byte
	if file := os.Getenv("HYBRIDKIT_HIVE"); file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			b.Fatal(err)
		}
	} else {
		root := &tkey{name: "r"}
		for i := range 200 {
			k := &tkey{name: fmt.Sprintf("Key%03d", i)}
			for j := range 200 {
				k.subs = append(k.subs, &tkey{name: fmt.Sprintf("Sub%03d", j), values: []tvalue{
					{name: "Number", typ: 4, data: registry.DWord(1).Data, inline: true}, {name: "Text", typ: 1, data: pattern(60)}}})
			}
			root.subs = append(root.subs, k)
		}
		data = build(root)
	}
	b.Run(fmt.Sprintf("bytes=%d", len(data)), func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			h, err := hive.Open(data, hive.Options{})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for e, err := range h.Entries(registry.Path{}) {
				if err != nil {
					b.Fatal(err)
				}
				n += len(e.Value.Data)
			}
			if n == 0 {
				b.Fatal("no data")
			}
		}
	})
}
