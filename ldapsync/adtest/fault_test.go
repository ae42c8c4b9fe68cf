package adtest_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// on returns a hook that applies a fault to operations of one kind.
func on(op adtest.Op, f adtest.Fault) adtest.Hook {
	return func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == op {
			return f
		}
		return adtest.Fault{}
	}
}

// lost stands for a connection that ended without a result.
const lost = 200

func requireEnd(t *testing.T, err error, code int) {
	t.Helper()
	switch code {
	case 0:
		require.NoError(t, err)
	case lost:
		require.Error(t, err)
		var le *ldap.Error
		require.True(t, !errors.As(err, &le) || le.ResultCode == ldap.ErrorNetwork, "want a lost connection, got %v", err)
	default:
		requireCode(t, err, code)
	}
}

func people10(c *ldap.Conn, controls ...ldap.Control) (*ldap.SearchResult, error) {
	return c.Search(ldap.NewSearchRequest("OU=Crowd,"+base, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", []string{"mail"}, controls))
}

func TestSearchFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   adtest.Fault
		code    int // result, or lost
		entries int
	}{
		"busy":                {adtest.Fault{Code: adtest.ResultBusy, Message: "later"}, 51, 0},
		"unavailable mid-way": {adtest.Fault{Code: adtest.ResultUnavailable, Entries: 3}, 52, 3},
		"time limit mid-way":  {adtest.Fault{Code: adtest.ResultTimeLimitExceeded, Entries: 4}, 3, 4},
		"size limit mid-way":  {adtest.Fault{Code: adtest.ResultSizeLimitExceeded, Entries: 4}, 4, 4},
		"dropped before":      {adtest.Fault{Drop: adtest.DropBefore}, lost, 0},
		"dropped at once":     {adtest.Fault{Drop: adtest.DropAfter}, lost, 0},
		"dropped mid-way":     {adtest.Fault{Drop: adtest.DropAfter, Entries: 5}, lost, 5},
		"page lost":           {adtest.Fault{LosePage: true}, 0, 0},
		"delay":               {adtest.Fault{Delay: time.Millisecond}, 0, 10},
		"more than there are": {adtest.Fault{Code: adtest.ResultBusy, Entries: 99}, 51, 10},
	} {
		t.Run(name, func(t *testing.T) {
			s := newVale(t)
			crowd(t, s, 10)
			c := connect(t, s, "reader")
			s.SetHook(on(adtest.OpSearch, tc.fault))
			res, err := people10(c)
			requireEnd(t, err, tc.code)
			require.Len(t, res.Entries, tc.entries)
			require.Equal(t, int64(1), s.Stats().Faults)
			s.SetHook(nil)
			res, err = people10(connect(t, s, "reader"))
			require.NoError(t, err)
			require.Len(t, res.Entries, 10)
		})
	}
}

func TestPageLostMidway(t *testing.T) {
	s := newVale(t)
	crowd(t, s, 30)
	s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		require.Equal(t, "reader", map[bool]string{true: "reader", false: r.Account}[r.Op == adtest.OpBind])
		return adtest.Fault{LosePage: r.Op == adtest.OpSearch && r.Page == 1}
	})
	c := connect(t, s, "reader")
	res, err := c.SearchWithPaging(ldap.NewSearchRequest("OU=Crowd,"+base, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", nil, nil), 10)
	require.NoError(t, err)
	require.Len(t, res.Entries, 20)
}

func TestReferral(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	s.SetHook(on(adtest.OpSearch, adtest.Fault{Code: adtest.ResultReferral, Referrals: []string{"ldap://dc9.other.example/DC=other,DC=example"}}))
	_, err := people10(c)
	requireCode(t, err, 10)
	var le *ldap.Error
	require.ErrorAs(t, err, &le)
	require.Contains(t, string(le.Packet.Bytes()), "ldap://dc9.other.example/")
}

func TestWriteFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   adtest.Fault
		code    int
		written bool
	}{
		"busy":           {adtest.Fault{Code: 51}, 51, false},
		"dropped before": {adtest.Fault{Drop: adtest.DropBefore}, lost, false},
		"dropped after":  {adtest.Fault{Drop: adtest.DropAfter}, lost, true},
		"late":           {adtest.Fault{Delay: time.Millisecond}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newVale(t)
			c := connect(t, s, "writer")
			s.SetHook(on(adtest.OpModify, tc.fault))
			err := modify(c, ada, nil, []string{"replace", "title", "Matron"})
			requireEnd(t, err, tc.code)
			e, err := s.Get(ada)
			require.NoError(t, err)
			require.Equal(t, tc.written, e.First("title") == "Matron")
			require.Equal(t, tc.written, s.Stats().Writes() == 1)
		})
	}
}

func TestBindFault(t *testing.T) {
	s := newVale(t)
	s.SetHook(on(adtest.OpBind, adtest.Fault{Code: adtest.ResultUnavailable}))
	requireCode(t, connect(t, s, "").Bind(`ASHDOWN\reader`, "Passw0rd-reader"), 52)
	require.ErrorContains(t, func() error { _, err := adtest.Start(adtest.Config{Accounts: []adtest.Account{{}}}); return err }(), "Name")
}

func TestHookSeesRequests(t *testing.T) {
	s := newVale(t)
	var mu sync.Mutex
	var got []adtest.Request
	s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r)
		return adtest.Fault{}
	})
	c := connect(t, s, "writer")
	_ = find(t, c, people, ldap.ScopeSingleLevel, `(&(cn=a*\2a)(!(|(x>=1)(y<=2)(z~=3)))(u:1.2.840.113556.1.4.803:=2)(t=*))`)
	require.NoError(t, modify(c, ada, nil, []string{"delete", "title", "Ward Sister"}, []string{"add", "title", "Matron"}))
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=Ada", true, devices)))
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest("CN=Ada,"+devices, "CN=Ada Vale", true, "")))
	require.NoError(t, c.Del(ldap.NewDelRequest("CN=Ada Vale,"+devices, []ldap.Control{ldap.NewControlSubtreeDelete()})))
	_, err := c.WhoAmI(nil)
	require.NoError(t, err)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, got, 7)
	require.Equal(t, adtest.OpBind, got[0].Op)
	require.Equal(t, "writer@ashdown.example", got[0].DN)
	require.Equal(t, `(&(cn=a*\2a)(!(|(x>=1)(y<=2)(z~=3)))(u:1.2.840.113556.1.4.803:=2)(t=*))`, got[1].Filter)
	require.Equal(t, adtest.ScopeOneLevel, got[1].Scope)
	require.Equal(t, []string{"1.1"}, got[1].Attributes)
	require.Equal(t, "writer", got[2].Account)
	require.Equal(t, []adtest.Change{{Op: adtest.DeleteValues, Attr: "title", Values: []string{"Ward Sister"}}, {Op: adtest.AddValues, Attr: "title", Values: []string{"Matron"}}}, got[2].Changes)
	require.Equal(t, "CN=Ada,"+devices, got[3].NewDN)
	require.Equal(t, "CN=Ada Vale,"+devices, got[4].NewDN)
	require.Equal(t, []string{"1.2.840.113556.1.4.805"}, got[5].Controls)
	require.Equal(t, "1.3.6.1.4.1.4203.1.11.3", got[6].Name)
	require.Equal(t, "modifyDN", got[3].Op.String())
	require.Equal(t, "Op(99)", adtest.Op(99).String())
	for i, r := range got {
		require.Equal(t, int64(i+1), r.Seq)
	}
}

func TestHookMayEditData(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpModify {
			if err := s.Set(ada, "title", "Someone else's"); err != nil {
				t.Error(err)
			}
		}
		return adtest.Fault{}
	})
	err := modify(c, ada, nil, []string{"delete", "title", "Ward Sister"}, []string{"add", "title", "Matron"})
	requireCode(t, err, 16)
}

func TestDropConnections(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	require.Equal(t, int64(1), s.Stats().Open)
	s.DropConnections()
	_, err := people10(c)
	requireEnd(t, err, lost)
	require.Zero(t, s.Stats().Open)
	connect(t, s, "reader")
}

func TestAbandonEndsSearch(t *testing.T) {
	s := newVale(t)
	entered, left := make(chan struct{}), make(chan error, 1)
	s.SetHook(func(ctx context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch {
			close(entered)
			<-ctx.Done()
			left <- ctx.Err()
		}
		return adtest.Fault{}
	})
	raw, err := s.Dial(t.Context())
	require.NoError(t, err)
	defer raw.Close()
	// Hand-written requests: search 2, then abandon 2 as message 3.
	_, err = raw.Write([]byte("\x30\x25\x02\x01\x02\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectClass\x30\x00"))
	require.NoError(t, err)
	<-entered
	_, err = raw.Write([]byte("\x30\x06\x02\x01\x03\x50\x01\x02"))
	require.NoError(t, err)
	require.ErrorIs(t, <-left, context.Canceled)
	require.NoError(t, raw.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = raw.Read(make([]byte, 1))
	var ne net.Error
	require.True(t, errors.As(err, &ne) && ne.Timeout(), "an abandoned search has no answer: %v", err)
	require.Equal(t, int64(1), s.Stats().Abandons)
}

func TestBadBytes(t *testing.T) {
	s := newVale(t)
	for _, in := range []string{
		"GET / HTTP/1.1\r\n\r\n", "\x30\x84\x7f\xff\xff\xff", "\x30\x80", "\x30\x03\x02\x01\x01", "\x30\x05\x02\x01\x01\x5f\x00",
		"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\xa3\x00", "\x16\x03\x01\x00\x05hello",
	} {
		raw, err := s.Dial(t.Context())
		require.NoError(t, err)
		_, err = raw.Write([]byte(in))
		require.NoError(t, err)
		require.NoError(t, raw.SetReadDeadline(time.Now().Add(5*time.Second)))
		buf := make([]byte, 4096)
		n := 0
		for err == nil {
			var k int
			k, err = raw.Read(buf[n:])
			n += k
		}
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		var ne net.Error
		require.False(t, errors.As(err, &ne) && ne.Timeout(), "%q: the server must hang up", in)
		raw.Close()
	}
	connect(t, s, "reader")
}

func TestManyClients(t *testing.T) {
	s := adtest.New(t, adtest.Config{LDIF: strings.NewReader(vale), AllowPlainBind: true})
	ou := crowd(t, s, 50)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, err := ldap.DialURL(s.URL())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := c.Bind(`ASHDOWN\writer`, "Passw0rd-writer"); err != nil {
				t.Error(err)
			}
			for j := range 20 {
				m := ldap.NewModifyRequest(ada, nil)
				m.Add("proxyAddresses", []string{"smtp:" + string(rune('a'+i)) + string(rune('a'+j))})
				if err := c.Modify(m); err != nil {
					t.Error(err)
				}
				if res, err := c.SearchWithPaging(ldap.NewSearchRequest(ou, 1, 0, 0, 0, false, "(mail=*)", nil, nil), 20); err != nil || len(res.Entries) != 50 {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	e, err := s.Get(ada)
	require.NoError(t, err)
	require.Len(t, e.Get("proxyAddresses"), 2+160)
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		s, err := adtest.Start(adtest.Config{GlobalCatalog: true, AllowPlainBind: true})
		require.NoError(t, err)
		var conns []*ldap.Conn
		for _, u := range []string{s.URL(), s.GCURL()} {
			c, err := ldap.DialURL(u)
			require.NoError(t, err)
			require.NoError(t, c.Bind(`ASHDOWN\reader`, "Passw0rd-reader"))
			conns = append(conns, c)
		}
		s.SetHook(func(ctx context.Context, r adtest.Request) adtest.Fault { <-ctx.Done(); return adtest.Fault{} })
		go people10(conns[0])
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		_, err = s.Dial(t.Context())
		require.Error(t, err)
		for _, c := range conns {
			c.Close()
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVale(t)
		c := connect(t, s, "reader")
		s.SetHook(on(adtest.OpSearch, adtest.Fault{Delay: time.Hour}))
		start := time.Now()
		_, err := c.Search(ldap.NewSearchRequest(people, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", nil, nil))
		require.NoError(t, err)
		require.Equal(t, time.Hour, time.Since(start), "an hour of waiting takes no time")

		c.SetTimeout(time.Minute)
		_, err = c.Search(ldap.NewSearchRequest(people, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", nil, nil))
		requireEnd(t, err, lost)

		raw, err := s.DialTLS(t.Context())
		require.NoError(t, err)
		raw.Close()
		c.Close()
		require.NoError(t, s.Close())
	})
}

func TestPipeDeadlines(t *testing.T) {
	s := newVale(t)
	raw, err := s.Dial(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, raw.RemoteAddr().String()+raw.LocalAddr().Network())
	require.NoError(t, raw.SetDeadline(time.Now().Add(-time.Second)))
	_, err = raw.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout")
	_, err = raw.Write([]byte{1})
	require.ErrorContains(t, err, "timeout")
	require.NoError(t, raw.SetWriteDeadline(time.Time{}))
	require.NoError(t, raw.Close())
	_, err = raw.Write([]byte{1})
	require.ErrorIs(t, err, net.ErrClosed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Dial(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
