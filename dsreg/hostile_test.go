package dsreg_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
)

// TestHostile reads inputs that are made to be slow or large in memory. It
// ends, or a limit is reported. HYBRIDKIT_HOSTILE_MB sets the size of each; the
// time it takes is logged, and judged where the machine is known.
func TestHostile(t *testing.T) {
	size := 128 << 10
	if s := os.Getenv("HYBRIDKIT_HOSTILE_MB"); s != "" {
		mb, err := strconv.Atoi(s)
		require.NoError(t, err)
		size = mb << 20
	}
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			in := h.make(size)
			start := time.Now()
			n, rows := 0, 0
			for st, err := range dsreg.Decode(strings.NewReader(in)) {
				if err != nil {
					require.True(t, errors.Is(err, dsreg.ErrNoCapture) || errors.Is(err, dsreg.ErrTooLarge), err)
					t.Log(err)
					break
				}
				n++
				rows += st.Len()
			}
			t.Logf("%d bytes: %d captures, %d rows, %v", len(in), n, rows, time.Since(start).Round(time.Millisecond))
		})
	}
}
