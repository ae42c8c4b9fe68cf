package hive

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
)

// tiny returns a hive of one key with one inline REG_DWORD, and where in the bins that number is.
func tiny(n uint32) (b []byte, at int) {
	b = make([]byte, 3*4096)
	copy(b, "regf")
	for off, v := range map[int]uint32{4: 7, 8: 7, 20: 1, 24: 5, 32: 1, 36: 32, 40: 8192, 44: 1} {
		le.PutUint32(b[off:], v)
	}
	bins := b[4096:]
	copy(bins, "hbin")
	le.PutUint32(bins[8:], 8192)
	put := func(off, size int, data ...[]byte) {
		le.PutUint32(bins[off:], uint32(-int32(size)))
		copy(bins[off+4:], slices.Concat(data...))
	}
	nk := make([]byte, 80)
	copy(nk, "nk\x20")
	le.PutUint32(nk[36:], 1)
	le.PutUint32(nk[40:], 128)
	for _, o := range []int{28, 44, 48} {
		le.PutUint32(nk[o:], none)
	}
	le.PutUint16(nk[72:], 1)
	nk[76] = 'r'
	put(32, 96, nk)
	put(128, 8, binary.LittleEndian.AppendUint32(nil, 136))
	vk := make([]byte, 28)
	copy(vk, "vk\x01\x00\x04\x00\x00\x80")
	le.PutUint32(vk[8:], n)
	le.PutUint32(vk[12:], 4)
	vk[16] = 1
	vk[20] = 'n'
	put(136, 32, vk)
	le.PutUint32(bins[168:], 8192-168)
	le.PutUint32(b[508:], checksum(b))
	return b, 136 + 4 + 8
}

func number(t *testing.T, h *Hive) uint32 {
	t.Helper()
	k, err := h.Root()
	require.NoError(t, err)
	v, err := k.Value("n")
	require.NoError(t, err)
	data, err := v.Data()
	require.NoError(t, err)
	n, err := registry.Value{Type: v.Type(), Data: data}.Uint()
	require.NoError(t, err)
	return uint32(n)
}

// logHead returns the first sector of a log of the given kind that belongs to b.
func logHead(b []byte, kind, seq uint32) []byte {
	log := slices.Clone(b[:512])
	le.PutUint32(log[28:], kind)
	le.PutUint32(log[4:], seq)
	le.PutUint32(log[8:], seq)
	le.PutUint32(log[508:], checksum(log))
	return log
}

// entry returns an HvLE record that replaces one page.
func entry(seq uint32, page []byte) []byte {
	b := make([]byte, 40, 40+8+len(page)+512)
	copy(b, "HvLE")
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(len(page)))
	b = append(b, page...)
	b = append(b, make([]byte, -len(b)&511)...)
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[12:], seq)
	le.PutUint32(b[16:], 8192)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], marvin(b[40:]))
	le.PutUint64(b[32:], marvin(b[:32]))
	return b
}

func dirty(b []byte) []byte {
	b = slices.Clone(b)
	le.PutUint32(b[4:], 8)
	le.PutUint32(b[508:], checksum(b))
	return b
}

func TestLogs(t *testing.T) {
	clean, at := tiny(1)
	page := func(n uint32) []byte {
		p := slices.Clone(clean[4096 : 2*4096])
		le.PutUint32(p[at:], n)
		return p
	}
	newLog := slices.Concat(logHead(clean, 6, 7), entry(6, page(66)), entry(7, page(2)), entry(8, page(3)))

	_, err := Open(dirty(clean), Options{})
	require.ErrorIs(t, err, ErrDirty)
	h, err := Open(dirty(clean), Options{Tolerant: true})
	require.NoError(t, err)
	require.Len(t, h.Warnings, 1)
	require.EqualValues(t, 1, number(t, h))

	t.Run("new log", func(t *testing.T) {
		data := dirty(clean)
		h, err := Open(data, Options{Logs: [][]byte{nil, newLog}})
		require.NoError(t, err)
		require.Equal(t, 2, h.Applied, "the entry from before the last clean write does not count")
		require.EqualValues(t, 3, number(t, h))
		require.EqualValues(t, 8, h.Header.Secondary)
		require.Equal(t, dirty(clean), data, "the input stays as it was")
	})
	t.Run("split over two logs", func(t *testing.T) {
		a := slices.Concat(logHead(clean, 6, 8), entry(8, page(3)))
		b := slices.Concat(logHead(clean, 6, 7), entry(7, page(2)))
		h, err := Open(dirty(clean), Options{Logs: [][]byte{a, b}})
		require.NoError(t, err)
		require.EqualValues(t, 3, number(t, h))
	})
	t.Run("damaged entry ends the log", func(t *testing.T) {
		log := slices.Clone(newLog)
		log[len(log)-1] ^= 1 // in the padding of the last entry, which its hash covers
		h, err := Open(dirty(clean), Options{Logs: [][]byte{log}})
		require.NoError(t, err)
		require.Equal(t, 1, h.Applied)
		require.EqualValues(t, 2, number(t, h))
	})
	t.Run("gap ends the log", func(t *testing.T) {
		log := slices.Concat(logHead(clean, 6, 7), entry(7, page(2)), entry(9, page(4)))
		h, err := Open(dirty(clean), Options{Logs: [][]byte{log}})
		require.NoError(t, err)
		require.EqualValues(t, 2, number(t, h))
	})
	t.Run("a log that starts later does not fit", func(t *testing.T) {
		log := slices.Concat(logHead(clean, 6, 8), entry(8, page(2)))
		_, err := Open(dirty(clean), Options{Logs: [][]byte{log}})
		require.ErrorIs(t, err, ErrDirty)
	})
	t.Run("an entry that reaches beyond the bins ends the log", func(t *testing.T) {
		bad := entry(8, page(9))
		le.PutUint32(bad[40:], 8192)
		le.PutUint64(bad[24:], marvin(bad[40:]))
		le.PutUint64(bad[32:], marvin(bad[:32]))
		h, err := Open(dirty(clean), Options{Logs: [][]byte{slices.Concat(logHead(clean, 6, 7), entry(7, page(2)), bad)}})
		require.NoError(t, err)
		require.EqualValues(t, 2, number(t, h))
	})
	t.Run("clean hive ignores logs", func(t *testing.T) {
		h, err := Open(clean, Options{Logs: [][]byte{newLog}})
		require.NoError(t, err)
		require.EqualValues(t, 1, number(t, h))
	})
	t.Run("base block damaged", func(t *testing.T) {
		b := dirty(clean)
		b[100] ^= 1
		h, err := Open(b, Options{Logs: [][]byte{newLog}})
		require.NoError(t, err)
		require.EqualValues(t, 3, number(t, h))
	})
	t.Run("old log", func(t *testing.T) {
		log := append(logHead(clean, 1, 8), "DIRT\x01\x00"...) // 16 pages, the first is dirty
		log = append(log, make([]byte, 1024-len(log))...)
		log = append(log, page(5)[:512]...)
		h, err := Open(dirty(clean), Options{Logs: [][]byte{log}})
		require.NoError(t, err)
		require.EqualValues(t, 5, number(t, h))

		_, err = Open(dirty(clean), Options{Logs: [][]byte{log[:1100]}})
		require.ErrorIs(t, err, ErrCorrupt)
		le.PutUint64(log[12:], 1) // a log of another write
		le.PutUint32(log[508:], checksum(log))
		_, err = Open(dirty(clean), Options{Logs: [][]byte{log}})
		require.ErrorIs(t, err, ErrDirty)
	})
}

func FuzzLogs(f *testing.F) {
	clean, at := tiny(1)
	p := slices.Clone(clean[4096 : 2*4096])
	le.PutUint32(p[at:], 2)
	f.Add(slices.Concat(logHead(clean, 6, 7), entry(8, p)))
	f.Add(append(logHead(clean, 1, 8), "DIRT\x01\x00"...))
	f.Fuzz(func(t *testing.T, log []byte) {
		// Make the checksums right, or nothing but the checksums would be tested.
		if len(log) >= 512 {
			copy(log, "regf")
			le.PutUint32(log[508:], checksum(log))
		}
		if len(log) >= 552 {
			if n := int(le.Uint32(log[516:])); n >= 40 && n <= len(log)-512 {
				le.PutUint64(log[512+24:], marvin(log[552:512+n]))
				le.PutUint64(log[512+32:], marvin(log[512:544]))
			}
		}
		h, err := Open(dirty(clean), Options{Logs: [][]byte{log}, Tolerant: true})
		if err == nil && len(h.bins) > 1<<27 {
			t.Fatalf("a log of %d bytes made a hive of %d", len(log), len(h.bins))
		}
	})
}
