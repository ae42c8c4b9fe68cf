package ldapdir_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// onRead returns a hook that does f to searches of the writer that are not base searches.
func onRead(f func(r adtest.Request) adtest.Fault) adtest.Hook {
	return func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch && r.Scope != adtest.ScopeBase && r.Account == "writer" {
			return f(r)
		}
		return adtest.Fault{}
	}
}

func TestBrokenReads(t *testing.T) {
	for name, c := range map[string]struct {
		fault adtest.Fault
		want  []error
		not   []error
		text  string
	}{
		"dropped":     {adtest.Fault{Entries: 3, Drop: adtest.DropAfter}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "connection to the server was lost"},
		"busy":        {adtest.Fault{Entries: 3, Code: 51}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "result 51 busy"},
		"unavailable": {adtest.Fault{Code: 52}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "result 52 unavailable"},
		"time limit":  {adtest.Fault{Entries: 3, Code: 3}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "smaller PageSize"},
		"size limit":  {adtest.Fault{Entries: 3, Code: 4}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "smaller PageSize"},
		"admin limit": {adtest.Fault{Entries: 3, Code: 11}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "smaller PageSize"},
		"referral": {adtest.Fault{Code: 10, Referrals: []string{"ldap://elsewhere.example/"}}, []error{ldapsync.ErrPartial},
			[]error{ldapsync.ErrTransient}, "another server holds this part"},
		"no right":   {adtest.Fault{Code: 50}, []error{ldapsync.ErrPermission}, []error{ldapsync.ErrTransient}, "lacks a right"},
		"no such":    {adtest.Fault{Code: 32}, []error{ldapsync.ErrNotFound}, []error{ldapsync.ErrTransient}, "result 32"},
		"operations": {adtest.Fault{Code: 1}, []error{ldapsync.ErrTransient, ldapsync.ErrPartial}, nil, "operationsError"},
		"no bind": {adtest.Fault{Code: 1, Message: "000004DC: LdapErr: DSID-0C090A5C, a successful bind must be completed"},
			[]error{ldapsync.ErrPermission}, []error{ldapsync.ErrTransient}, "configure Bind"},
	} {
		t.Run(name, func(t *testing.T) {
			s := adtestSite(t, adtest.Config{})
			w := s.world(t)
			unit := w.unit(t)
			w.people(t, unit, 50)
			d := s.open(t)
			s.server.SetHook(onRead(func(r adtest.Request) adtest.Fault {
				if r.Page < 1 {
					return adtest.Fault{}
				}
				return c.fault
			}))
			got, err := collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: unit})
			require.Error(t, err)
			require.Less(t, len(got), 50)
			for _, want := range c.want {
				require.ErrorIs(t, err, want)
			}
			for _, not := range c.not {
				require.NotErrorIs(t, err, not)
			}
			require.ErrorContains(t, err, c.text)
			s.server.SetHook(nil)
			got, err = collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: unit})
			require.NoError(t, err)
			require.Len(t, got, 50, "it works again afterwards")
		})
	}
}

func TestSilentServer(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	w.people(t, unit, 5)
	d := s.open(t, func(c *ldapdir.Config) { c.ReadTimeout = 50 * time.Millisecond })
	_, err := d.Info(t.Context())
	require.NoError(t, err)
	s.server.SetHook(onRead(func(adtest.Request) adtest.Fault { return adtest.Fault{Delay: time.Hour} }))
	_, err = collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: unit})
	require.ErrorIs(t, err, ldapsync.ErrTransient)
	require.ErrorIs(t, err, ldapsync.ErrPartial)
	require.ErrorContains(t, err, "no answer in time")
}

// TestIdleConnectionsDie: the server closes connections it has not heard of for long. The next call notices.
func TestIdleConnectionsDie(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 5)[0]
	d := s.open(t)
	for round := range 4 {
		_, err := d.Get(t.Context(), id, nil)
		require.NoError(t, err)
		s.server.DropConnections()
		switch round {
		case 0:
			_, err = d.Info(t.Context())
		case 1:
			_, err = collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: unit})
		case 2:
			_, err = d.Write(t.Context(), ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{"Nurse"}}}})
		default:
			_, err = d.VerifyAbsent(t.Context(), id, []string{"mail"})
		}
		require.NoError(t, err, "round %d", round)
	}
}

func TestLostAnswers(t *testing.T) {
	update := func(id ldapsync.GUID, unit ldapsync.Container) ldapsync.Change {
		return ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{"Nurse"}}}}
	}
	changes := map[string]func(ldapsync.GUID, ldapsync.Container) ldapsync.Change{
		"modify": update,
		"add": func(_ ldapsync.GUID, unit ldapsync.Container) ldapsync.Change {
			return ldapsync.Change{Op: ldapsync.OpCreate, Class: ldapsync.User, DN: unit.DN.Child("CN", "new")}
		},
		"rename": func(id ldapsync.GUID, _ ldapsync.Container) ldapsync.Change {
			return ldapsync.Change{Op: ldapsync.OpRename, ID: id, OldName: "user 0000", NewName: "other"}
		},
		"delete": func(id ldapsync.GUID, _ ldapsync.Container) ldapsync.Change {
			return ldapsync.Change{Op: ldapsync.OpDelete, ID: id}
		},
	}
	for name, change := range changes {
		for _, c := range []struct {
			name   string
			fault  adtest.Fault
			want   error
			writes bool
		}{
			{"lost before", adtest.Fault{Drop: adtest.DropBefore}, ldapsync.ErrUnclear, false},
			{"lost after", adtest.Fault{Drop: adtest.DropAfter}, ldapsync.ErrUnclear, true},
			{"silence", adtest.Fault{Delay: time.Hour}, ldapsync.ErrUnclear, false},
			{"busy", adtest.Fault{Code: 51}, ldapsync.ErrTransient, false},
			{"unavailable", adtest.Fault{Code: 52}, ldapsync.ErrTransient, false},
			{"denied", adtest.Fault{Code: 50}, ldapsync.ErrPermission, false},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				s := adtestSite(t, adtest.Config{})
				w := s.world(t)
				unit := w.unit(t)
				id := w.people(t, unit, 1)[0]
				d := s.open(t, func(cfg *ldapdir.Config) { cfg.WriteTimeout = 100 * time.Millisecond })
				var once sync.Once
				s.server.SetHook(func(_ context.Context, r adtest.Request) (f adtest.Fault) {
					if r.Op.Writes() && r.Account == "writer" {
						once.Do(func() { f = c.fault })
					}
					return f
				})
				before := s.server.Stats().Writes()
				_, err := d.Write(t.Context(), change(id, unit))
				require.ErrorIs(t, err, c.want)
				for _, other := range []error{ldapsync.ErrUnclear, ldapsync.ErrTransient, ldapsync.ErrPermission} {
					if other != c.want {
						require.NotErrorIs(t, err, other)
					}
				}
				require.Equal(t, c.writes, s.server.Stats().Writes() > before)
			})
		}
	}
	t.Run("cancelled", func(t *testing.T) {
		s := adtestSite(t, adtest.Config{})
		w := s.world(t)
		unit := w.unit(t)
		id := w.people(t, unit, 1)[0]
		d := s.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.server.SetHook(func(wait context.Context, r adtest.Request) adtest.Fault {
			if r.Op == adtest.OpModify && r.Account == "writer" {
				cancel()
				<-wait.Done()
			}
			return adtest.Fault{}
		})
		_, err := d.Write(ctx, update(id, unit))
		require.ErrorIs(t, err, ldapsync.ErrUnclear)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// TestConcurrentEdit stages another administrator's edit between the read and the write of a change.
func TestConcurrentEdit(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile []string // the other's value of title
		want      error
		end       []string
	}{
		"another value": {[]string{"Surgeon"}, ldapsync.ErrPrecondition, []string{"Surgeon"}},
		"the same":      {[]string{"Matron"}, nil, []string{"Matron"}},
		"cleared":       {nil, ldapsync.ErrPrecondition, nil},
		"not at all":    {[]string{"Nurse"}, nil, []string{"Matron"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := adtestSite(t, adtest.Config{})
			w := s.world(t)
			unit := w.unit(t)
			id := w.people(t, unit, 1)[0]
			require.NoError(t, w.Set(t.Context(), id, "title", "Nurse"))
			d := s.open(t)
			var once sync.Once
			s.server.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
				if r.Op == adtest.OpModify && r.Account == "writer" {
					once.Do(func() { _ = s.server.Set("<GUID="+id.String()+">", "title", c.meanwhile...) })
				}
				return adtest.Fault{}
			})
			_, err := d.Write(t.Context(), ldapsync.Change{Op: ldapsync.OpUpdate, ID: id,
				Edits: []ldapsync.Edit{{Attr: "title", Before: []string{"Nurse"}, After: []string{"Matron"}}}})
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			} else {
				require.NoError(t, err)
			}
			o, err := w.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, c.end, o.All("title"))
		})
	}
}

func TestDeadServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	d, err := ldapdir.Open(ldapdir.Config{URL: "ldaps://" + address})
	require.NoError(t, err)
	_, err = d.Info(t.Context())
	require.ErrorIs(t, err, ldapsync.ErrTransient)
	require.ErrorContains(t, err, "check that the server runs")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = d.Info(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the second attempt waits")
	require.NoError(t, d.Close())
	_, err = d.Info(t.Context())
	require.ErrorContains(t, err, "was closed")
}

// TestGarbage connects to servers that do not speak LDAP.
func TestGarbage(t *testing.T) {
	for name, say := range map[string]string{
		"http":        "HTTP/1.1 400 Bad Request\r\n\r\n",
		"huge":        "\x30\x84\x7f\xff\xff\xff\x02\x01\x01",
		"indefinite":  "\x30\x80\x02\x01\x01\x00\x00",
		"no id":       "\x30\x03\x04\x01\x01",
		"nothing":     "",
		"only zeroes": strings.Repeat("\x00", 100),
	} {
		t.Run(name, func(t *testing.T) {
			d, err := ldapdir.Open(ldapdir.Config{AllowPlaintext: true, DialTimeout: time.Second, Dial: func(context.Context) (net.Conn, error) {
				here, there := net.Pipe()
				go func() {
					buf := make([]byte, 1000)
					_, _ = there.Read(buf)
					_, _ = there.Write([]byte(say))
					_ = there.Close()
				}()
				return here, nil
			}})
			require.NoError(t, err)
			_, err = d.Info(t.Context())
			require.Error(t, err)
			require.True(t, errors.As(err, new(*ldapdir.Error)), "%v", err)
		})
	}
}

func TestNoGoroutinesLeft(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	w.people(t, unit, 60)
	before := runtime.NumGoroutine()
	d := s.open(t)
	for range 10 {
		for _, err := range d.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Container: unit}) {
			require.NoError(t, err)
			break
		}
	}
	_, err := d.Info(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Close())
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestAbandon(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	w.people(t, unit, 5)
	d := s.open(t)
	began := make(chan struct{})
	ended := make(chan struct{})
	s.server.SetHook(func(ctx context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch && r.Scope == adtest.ScopeOneLevel {
			close(began)
			<-ctx.Done()
			close(ended)
		}
		return adtest.Fault{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	_, err := collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: unit})
	require.ErrorIs(t, err, context.Canceled)
	<-ended
	require.Eventually(t, func() bool { return s.server.Stats().Abandons == 1 }, 10*time.Second, time.Millisecond)
}

func TestTwoControllers(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	second, err := s.server.AddDC(adtest.DCConfig{DC: "dc2", Socketless: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = second.Close() })
	which := s.server
	var mu sync.Mutex
	d := s.open(t, func(c *ldapdir.Config) {
		c.TLS.PinSHA256, c.TLS.ServerName = nil, ""
		c.AllowPlaintext = false
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			return which.DialTLS(ctx)
		}
	})
	first, err := d.Info(t.Context())
	require.NoError(t, err)
	mu.Lock()
	which = second
	mu.Unlock()
	s.server.DropConnections()
	other, err := d.Info(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.InvocationID, other.InvocationID, "the swap shows")
	require.Equal(t, "dc2.ashdown.example", other.Server)
}

// hookWrites returns a hook that makes all writes of the account under test fail.
func hookWrites(f adtest.Fault) adtest.Hook {
	return func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op.Writes() && r.Account == "writer" {
			return f
		}
		return adtest.Fault{}
	}
}

// TestHiddenValue: an attribute that the account cannot read looks absent. Setting it must not succeed quietly.
func TestHiddenValue(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 1)[0]
	require.NoError(t, w.Set(t.Context(), id, "title", "Nurse"))
	_, err := s.server.Deny(adtest.Denial{Account: "writer", DN: "<GUID=" + id.String() + ">", Right: adtest.ReadProperty, Attribute: "title"})
	require.NoError(t, err)
	_, err = s.open(t).Write(t.Context(), ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{"Matron"}}}})
	require.ErrorContains(t, err, "may not be allowed to read it")
	o, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"Nurse"}, o.All("title"))
}
