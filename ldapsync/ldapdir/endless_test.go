package ldapdir_test

import (
	"context"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// A bentConn is the connection to a server that does something else with what it sends, from the moment that now is
// set: bend fills p in place of what was received and says how much of that is used up.
type bentConn struct {
	net.Conn
	closed   *atomic.Bool
	received *[]byte
	now      *bool
	bend     func(p, received []byte) (n, used int)
}

func (c bentConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c bentConn) Read(p []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if len(*c.received) == 0 {
		b := make([]byte, 64<<10)
		n, err := c.Conn.Read(b)
		if n == 0 {
			return n, err
		}
		*c.received = b[:n]
	}
	n := copy(p, *c.received)
	used := n
	if *c.now {
		n, used = c.bend(p, *c.received)
	}
	*c.received = (*c.received)[used:]
	return n, nil
}

// bent opens a domain whose answers are bent.
func bent(t *testing.T, now *bool, cfg ldapdir.Config, bend func(p, received []byte) (n, used int)) (*ldapdir.Dir, ldapsync.Container) {
	s := adtest.New(t, adtest.Config{Socketless: true, AllowPlainBind: true})
	for _, name := range []string{"ann", "bob"} {
		_, err := s.Add("CN="+name+",CN=Users,"+s.BaseDN(), adtest.Attrs{"objectClass": {"user"}, "title": {"Nurse"}})
		require.NoError(t, err)
	}
	cfg.URL, cfg.AllowPlaintext = "ldap://dc1.ashdown.example", true
	cfg.Bind = ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")}
	cfg.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := s.Dial(ctx)
		return bentConn{c, new(atomic.Bool), new([]byte), now, bend}, err
	}
	d, err := ldapdir.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	c, err := d.Container(t.Context(), ldapsync.ContainerRef{DN: "CN=Users," + s.BaseDN()})
	require.NoError(t, err)
	return d, c
}

// TestSlowServer: a server that sends a byte now and then keeps nobody longer than ReadTimeout for one message.
func TestSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		d, c := bent(t, &slow, ldapdir.Config{ReadTimeout: time.Minute}, func(p, received []byte) (int, int) {
			time.Sleep(10 * time.Second)
			return copy(p[:1], received), 1
		})
		slow = true
		start := time.Now()
		var err error
		for _, err = range d.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Container: c, Attrs: []string{"title"}}) {
			if err != nil {
				break
			}
		}
		require.ErrorIs(t, err, ldapsync.ErrPartial)
		require.ErrorIs(t, err, ldapsync.ErrTransient)
		require.LessOrEqual(t, time.Since(start), 5*time.Minute, "%v", err)

		start = time.Now()
		_, err = d.Locate(t.Context(), ldapsync.GUID{1}, []string{"title"})
		require.ErrorIs(t, err, ldapsync.ErrTransient)
		require.LessOrEqual(t, time.Since(start), 5*time.Minute)
		time.Sleep(time.Minute) // the bent connections notice that they were closed
	})
}

// endless opens a domain that, from the moment that the flag is set, sends its answer about Ann for ever.
func endless(t *testing.T) (*ldapdir.Dir, ldapsync.Container, *bool) {
	on := new(bool)
	var message []byte
	at := 0
	d, c := bent(t, on, ldapdir.Config{}, func(p, received []byte) (int, int) {
		if message == nil {
			if !strings.Contains(string(received), "CN=ann") {
				n := copy(p, received)
				return n, n
			}
			// The first message: a tag, the length, and in the long form the bytes of the length.
			length := 2 + int(received[1])
			if received[1] > 0x80 {
				length = 2 + int(received[1]-0x80)
				size := 0
				for _, b := range received[2:length] {
					size = size<<8 | int(b)
				}
				length += size
			}
			message = received[:length]
		}
		n := copy(p, message[at:])
		at = (at + n) % len(message)
		return n, 0
	})
	return d, c, on
}

// TestEndlessAnswers: a server that sends the same entry for ever is read for as long as the caller wants, in bounded
// memory, and the end leaves no goroutine.
func TestEndlessAnswers(t *testing.T) {
	before := runtime.NumGoroutine()
	d, c, on := endless(t)
	*on = true
	n := 0
	var m runtime.MemStats
	peak := uint64(0)
	for _, err := range d.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Container: c, Attrs: []string{"title"}}) {
		require.NoError(t, err)
		if n++; n%50_000 == 0 {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
		}
		if n == 300_000 {
			break
		}
	}
	require.Equal(t, 300_000, n)
	require.Less(t, peak, uint64(64<<20))
	require.NoError(t, d.Close())
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+3 }, 10*time.Second, 10*time.Millisecond)
}

// TestEndlessObject: one object that is sent for ever is no object.
func TestEndlessObject(t *testing.T) {
	d, c, on := endless(t)
	var ann ldapsync.GUID
	for o, err := range d.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Container: c, Attrs: []string{"title"}}) {
		require.NoError(t, err)
		if _, name := o.DN.RDN(); name == "ann" {
			ann = o.ID
		}
	}
	require.False(t, ann.IsZero())
	_, err := d.Locate(t.Context(), ann, []string{"title"})
	require.NoError(t, err)

	*on = true
	_, err = d.Locate(t.Context(), ann, []string{"title"})
	require.ErrorContains(t, err, "more than one object has this identity")
}
