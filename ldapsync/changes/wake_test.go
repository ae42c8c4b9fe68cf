package changes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/changes"
)

func staff(n changes.Notifier) []changes.Watch {
	return []changes.Watch{{Notifier: n, OU: ldapsync.ContainerRef{DN: "OU=Staff," + base}}}
}

// TestWakeups: in a bubble where time stands still unless all wait, a change is told at once and the interval is
// kept otherwise.
func TestWakeups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "reader", adtest.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		var got []string
		for up := range changes.Wakeups(ctx, staff(w.dir), time.Hour, changes.WakeOptions{}) {
			require.NoError(t, up.Lost)
			got = append(got, up.Why)
			switch len(got) {
			case 2: // it listens now
				require.NoError(t, w.dc.Set(dn(1, "Staff"), "title", "Matron"))
				require.NoError(t, w.dc.Set(dn(2, "Staff"), "title", "Matron"))
				start = time.Now()
			case 3:
				require.Equal(t, 200*time.Millisecond, time.Since(start), "changes that belong together are one wake-up")
				require.NoError(t, w.dc.Set("OU=Away,"+base, "description", "elsewhere"))
				start = time.Now()
			case 4:
				require.Equal(t, time.Hour, time.Since(start))
				require.NoError(t, w.dc.Move(dn(1, "Staff"), dn(1, "Away")))
			case 5:
				cancel()
			}
		}
		require.Equal(t, []string{"start", "change", "change", "interval", "change"}, got)
	})
}

// TestWakeupsLost: notifications that cannot be had, or were lost, are asked for again; until then there is the
// interval.
func TestWakeupsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &deaf{fail: 3}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []string
		lost := 0
		start := time.Now()
		for up := range changes.Wakeups(ctx, staff(n), 10*time.Second, changes.WakeOptions{Settle: time.Millisecond}) {
			got = append(got, up.Why)
			if up.Lost != nil {
				require.ErrorIs(t, up.Lost, errDeaf)
				lost++
			}
			if len(got) == 2 {
				require.Equal(t, 7*time.Second+time.Millisecond, time.Since(start), "asked again after 1, 2 and 4 seconds")
			}
			if len(got) == 3 {
				cancel()
			}
		}
		require.Equal(t, []string{"start", "change", "interval"}, got)
		require.Equal(t, 1, lost)
	})
}

var errDeaf = errors.New("deaf")

type deaf struct{ fail int }

func (*deaf) Container(context.Context, ldapsync.ContainerRef) (ldapsync.Container, error) {
	return ldapsync.Container{ID: ldapsync.GUID{1}}, nil
}

func (d *deaf) Notify(ctx context.Context, _ ldapsync.Container, changed func()) error {
	if d.fail--; d.fail >= 0 {
		return errDeaf
	}
	changed()
	<-ctx.Done()
	return ctx.Err()
}

// TestWakeupsAfterDrop: a dropped connection is replaced, and what happened meanwhile is looked at.
func TestWakeupsAfterDrop(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	for up := range changes.Wakeups(ctx, staff(w.dir), time.Hour, changes.WakeOptions{Settle: time.Millisecond, Again: time.Millisecond}) {
		switch n++; n {
		case 2:
			require.NoError(t, up.Lost)
			w.dc.DropConnections()
		case 3:
			require.Equal(t, "change", up.Why)
			require.ErrorIs(t, up.Lost, ldapsync.ErrTransient)
			require.NoError(t, w.dc.Set(dn(1, "Staff"), "title", "Matron"))
		case 4:
			cancel()
		}
	}
	require.Equal(t, 4, n, "the change was told on the new connection")
	for range changes.Wakeups(t.Context(), nil, time.Nanosecond, changes.WakeOptions{}) {
		if n++; n == 6 {
			break
		}
	}
}
