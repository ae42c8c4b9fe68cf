package hive_test

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
)

// The builder below writes hives for the tests, as plainly as the format allows: one bin, cells one after the other.

type tvalue struct {
	name   string
	typ    registry.Type
	data   []byte
	utf16  bool // store the name as UTF-16
	inline bool // store up to four bytes of data in the record
}

type tkey struct {
	name   string
	utf16  bool
	class  string
	list   string // "lf", "lh", "li" or "ri"; "" is lh
	values []tvalue
	subs   []*tkey
}

const nowhere = 0xFFFFFFFF

var le = binary.LittleEndian

type builder struct{ bins []byte }

// cell adds an allocated cell and returns its offset.
func (b *builder) cell(data []byte) uint32 {
	off := len(b.bins)
	n := (4 + len(data) + 7) &^ 7
	b.bins = le.AppendUint32(b.bins, uint32(-int32(n)))
	b.bins = append(b.bins, data...)
	b.bins = append(b.bins, make([]byte, n-4-len(data))...)
	return uint32(off)
}

func name(s string, wide bool) []byte {
	if wide {
		return registry.AppendUTF16(nil, s)
	}
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

func u32s(list ...uint32) (b []byte) {
	for _, n := range list {
		b = le.AppendUint32(b, n)
	}
	return b
}

func (b *builder) value(v tvalue) uint32 {
	n := name(v.name, v.utf16)
	rec := make([]byte, 20, 20+len(n))
	copy(rec, "vk")
	le.PutUint16(rec[2:], uint16(len(n)))
	size, off := uint32(len(v.data)), uint32(nowhere)
	switch {
	case v.inline:
		size |= 1 << 31
		var four [4]byte
		copy(four[:], v.data)
		copy(four[len(v.data):], "\xEE\xEE\xEE\xEE") // what is behind short data is not part of it
		off = le.Uint32(four[:])
	case len(v.data) > 16344:
		var segs []uint32
		for s := range slices.Chunk(v.data, 16344) {
			segs = append(segs, b.cell(append(slices.Clone(s), 0, 0, 0, 0)))
		}
		db := append([]byte("db"), byte(len(segs)), byte(len(segs)>>8))
		off = b.cell(le.AppendUint32(db, b.cell(u32s(segs...))))
	case size > 0:
		off = b.cell(v.data)
	}
	le.PutUint32(rec[4:], size)
	le.PutUint32(rec[8:], off)
	le.PutUint32(rec[12:], uint32(v.typ))
	if !v.utf16 {
		rec[16] = 1
	}
	return b.cell(append(rec, n...))
}

func (b *builder) list(sig string, offs []uint32) uint32 {
	if sig == "ri" {
		half := (len(offs) + 1) / 2
		offs = []uint32{b.list("li", offs[:half]), b.list("lf", offs[half:])}
	}
	rec := append([]byte(sig), byte(len(offs)), byte(len(offs)>>8))
	for _, o := range offs {
		rec = le.AppendUint32(rec, o)
		if sig == "lf" || sig == "lh" {
			rec = le.AppendUint32(rec, 0)
		}
	}
	return b.cell(rec)
}

func (b *builder) key(k *tkey) uint32 {
	n := name(k.name, k.utf16)
	rec := make([]byte, 76, 76+len(n))
	copy(rec, "nk")
	le.PutUint16(rec[72:], uint16(len(n)))
	if !k.utf16 {
		rec[2] = 0x20
	}
	le.PutUint64(rec[4:], 132539328000000000) // 2021-01-01
	for _, at := range []int{28, 32, 40, 44, 48} {
		le.PutUint32(rec[at:], nowhere)
	}
	if k.class != "" {
		c := registry.AppendUTF16(nil, k.class)
		le.PutUint32(rec[48:], b.cell(c))
		le.PutUint16(rec[74:], uint16(len(c)))
	}
	sd := []byte{1, 0, 4, 0x80}
	sk := append([]byte("sk\x00\x00"), u32s(0, 0, 1, uint32(len(sd)))...)
	le.PutUint32(rec[44:], b.cell(append(sk, sd...)))
	var offs []uint32
	for _, v := range k.values {
		offs = append(offs, b.value(v))
	}
	if len(offs) > 0 {
		le.PutUint32(rec[36:], uint32(len(offs)))
		le.PutUint32(rec[40:], b.cell(u32s(offs...)))
	}
	offs = nil
	for _, s := range k.subs {
		offs = append(offs, b.key(s))
	}
	if len(offs) > 0 {
		le.PutUint32(rec[20:], uint32(len(offs)))
		sig := k.list
		if sig == "" {
			sig = "lh"
		}
		le.PutUint32(rec[28:], b.list(sig, offs))
	}
	return b.cell(append(rec, n...))
}

// build returns a clean hive, version 1.5, with sequence number 7.
func build(root *tkey) []byte {
	b := &builder{bins: make([]byte, 32)}
	top := b.key(root)
	free := -len(b.bins) & 4095
	if free > 0 {
		b.bins = le.AppendUint32(b.bins, uint32(free))
		b.bins = append(b.bins, make([]byte, free-4)...)
	}
	copy(b.bins, "hbin")
	le.PutUint32(b.bins[8:], uint32(len(b.bins)))
	base := make([]byte, 4096)
	copy(base, "regf")
	le.PutUint64(base[12:], 132539328000000000)
	for at, n := range map[int]uint32{4: 7, 8: 7, 20: 1, 24: 5, 32: 1, 36: top, 40: uint32(len(b.bins)), 44: 1} {
		le.PutUint32(base[at:], n)
	}
	copy(base[48:], registry.AppendUTF16(nil, `\config\TEST`))
	sum(base)
	return append(base, b.bins...)
}

// sum writes the checksum of the base block.
func sum(base []byte) {
	var c uint32
	for i := 0; i < 508; i += 4 {
		c ^= le.Uint32(base[i:])
	}
	le.PutUint32(base[508:], c)
}

// pattern returns n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// sample has every form of record once.
func sample() *tkey {
	return &tkey{name: "ROOT", list: "ri", values: []tvalue{{name: "", typ: 1, data: registry.String("default").Data}},
		subs: []*tkey{
			{name: "Alpha", class: "Ashdown class", values: []tvalue{
				{name: "none", typ: 0},
				{name: "inline0", typ: 4, inline: true},
				{name: "inline1", typ: 3, data: []byte{1}, inline: true},
				{name: "inline2", typ: 1, data: []byte{0, 0}, inline: true},
				{name: "inline3", typ: 3, data: []byte{1, 2, 3}, inline: true},
				{name: "dword", typ: 4, data: []byte{0xFE, 0xFF, 0, 0}, inline: true},
				{name: "odd type", typ: 0xFFFF0012, data: []byte("x")},
				{name: "caf\u00e9", typ: 1, data: registry.String("latin-1 name").Data},
				{name: "\u4e2d\U0001F600", typ: 1, data: registry.String("utf-16 name").Data, utf16: true},
				{name: "lone \xed\xa0\x80", typ: 1, data: []byte{0, 0xD8, 0, 0}, utf16: true},
				{name: "cell", typ: 3, data: pattern(16344)},
				{name: "segments", typ: 3, data: pattern(16345)},
				{name: "more segments", typ: 3, data: pattern(50000)},
			}},
			{name: "Beta", list: "li", subs: []*tkey{{name: "One"}, {name: "Two", list: "lf", subs: []*tkey{{name: "Deep"}}}}},
			{name: "\u0393\u03ac\u03bc\u03bc\u03b1", utf16: true},
		}}
}

// TestWriteHive writes a hive with every form of record for other readers to read.
func TestWriteHive(t *testing.T) {
	file := os.Getenv("HYBRIDKIT_WRITE_HIVE")
	if file == "" {
		t.Skip("HYBRIDKIT_WRITE_HIVE is not set: no hive to write for other readers")
	}
	root := sample()
	alpha := root.subs[0]
	// Other readers turn names into UTF-8 and cannot say an unpaired surrogate.
	alpha.values = slices.DeleteFunc(alpha.values, func(v tvalue) bool { return strings.HasPrefix(v.name, "lone") })
	// libhivex wants an offset that leads somewhere even where there is no data.
	alpha.values[0].inline = true
	require.NoError(t, os.WriteFile(file, build(root), 0o644))
}
