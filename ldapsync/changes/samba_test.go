package changes_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/internal/ldapworld"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// samba connects to a Samba domain controller that the environment names; package ldapdir's tests list the variables.
func samba(t *testing.T) (w *ldapworld.World, as func(user, password string) *ldapdir.Dir) {
	env := func(v string) string { return os.Getenv("HYBRIDKIT_SAMBA_" + v) }
	if env("URL") == "" {
		t.Skip("HYBRIDKIT_SAMBA_URL is not set: there is no server to test against")
	}
	pem, err := os.ReadFile(env("CA"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	l, err := ldap.DialURL(env("URL"), ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	require.NoError(t, l.Bind(env("USER"), env("PASSWORD")))
	return &ldapworld.World{Conn: l, Kind: ldapdir.ActiveDirectory, Base: ldapsync.MustParseDN(env("BASE"))},
		func(user, password string) *ldapdir.Dir {
			d, err := ldapdir.Open(ldapdir.Config{URL: env("URL"), TLS: ldapdir.TLS{CAs: pool}, PageSize: 20,
				Bind: ldapdir.Simple{User: env(user), Password: ldapdir.NewSecret(env(password))}})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			return d
		}
}

// TestSamba: what happens between two reads is found by every method on a real domain controller, too.
func TestSamba(t *testing.T) {
	for _, c := range []struct {
		user, password string
		ask, want      changes.Method
	}{
		{"USER", "PASSWORD", changes.Auto, changes.DirSync},
		{"READER", "READER_PASSWORD", changes.Auto, changes.DirSyncObjectSecurity},
		{"READER", "READER_PASSWORD", changes.USN, changes.USN},
	} {
		t.Run(string(c.want), func(t *testing.T) {
			w, as := samba(t)
			d, ctx := as(c.user, c.password), t.Context()
			ou, err := w.AddOU(ctx, w.Base, fmt.Sprintf("changes-%d-%s", os.Getpid(), c.want))
			require.NoError(t, err)
			defer w.Wipe(ou.DN)
			away, err := w.AddOU(ctx, ou.DN, "Away")
			require.NoError(t, err)
			var in, out []ldapsync.GUID
			add := func(i int) {
				id, err := w.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, ou.DN.Child("CN", fmt.Sprintf("user%03d", i)), ldapsync.User, ldapsync.Values("title", "Nurse")))
				require.NoError(t, err)
				in = append(in, id)
			}
			for i := range 60 {
				add(i)
			}
			var last changes.Reading
			s := &changes.Source{Directory: d, State: memstate.New(), Method: c.ask, OnRead: func(r changes.Reading) { last = r }}
			q := ldapsync.Query{Class: ldapsync.User, Container: ou, Attrs: asked}
			require.Equal(t, show(t, d, q), show(t, s, q))
			require.Equal(t, c.want, last.Method)
			rnd := rand.New(rand.NewPCG(3, 4))
			for step := range 40 {
				touched := map[ldapsync.GUID]bool{}
				for range rnd.IntN(4) {
					i := rnd.IntN(len(in))
					id := in[i]
					switch rnd.IntN(7) {
					case 0:
						require.NoError(t, w.Set(ctx, id, "title", fmt.Sprint("Title ", step)))
					case 1:
						require.NoError(t, w.Set(ctx, id, "title"))
					case 2:
						require.NoError(t, w.Set(ctx, id, "otherTelephone", fmt.Sprint(step), "7"))
					case 3:
						require.NoError(t, w.Rename(ctx, id, fmt.Sprintf("renamed%03d-%d", step, rnd.IntN(1000))))
					case 4:
						require.NoError(t, w.Move(ctx, id, away.DN))
						in, out = slices.Delete(in, i, i+1), append(out, id)
						continue
					case 5:
						require.NoError(t, w.Delete(ctx, id))
						in = slices.Delete(in, i, i+1)
						continue
					case 6:
						if len(out) == 0 {
							add(100 + step)
							id = in[len(in)-1]
							break
						}
						id, out = out[0], out[1:]
						require.NoError(t, w.Move(ctx, id, ou.DN))
						in = append(in, id)
					}
					touched[id] = true
				}
				for id := range touched {
					if !slices.Contains(in, id) {
						delete(touched, id)
					}
				}
				require.Equal(t, show(t, d, q), show(t, s, q), "step %d", step)
				require.False(t, last.Full, last.Why)
				require.Equal(t, len(touched), last.Fetched, "step %d: only what changed is read", step)
			}
			hidden, err := d.Unversioned(ctx, []string{"title", "memberOf", "lastLogon", "tokenGroups", "userCertificate"})
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"memberOf", "lastLogon", "tokenGroups"}, hidden)
			_, err = d.Changed(ctx, []byte("not a cookie"), asked, false, func(ldapsync.GUID) error { return nil })
			require.Error(t, err)
		})
	}
}

// TestSambaNotifies: a change is told as it happens. The time from the write to the wake-up is logged.
func TestSambaNotifies(t *testing.T) {
	w, as := samba(t)
	d := as("READER", "READER_PASSWORD")
	ou, err := w.AddOU(t.Context(), w.Base, fmt.Sprintf("notify-%d", os.Getpid()))
	require.NoError(t, err)
	defer w.Wipe(ou.DN)
	id, err := w.Add(t.Context(), ldapsync.NewObject(ldapsync.GUID{}, ou.DN.Child("CN", "ann"), ldapsync.User))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	watch := []changes.Watch{{Notifier: d, OU: ldapsync.ContainerRef{ID: ou.ID}}}
	n := 0
	var written time.Time
	var slowest time.Duration
	for up := range changes.Wakeups(ctx, watch, time.Hour, changes.WakeOptions{Settle: time.Millisecond}) {
		require.NoError(t, up.Lost)
		if n++; n > 2 {
			slowest = max(slowest, time.Since(written))
		}
		if n == 12 {
			break
		}
		if n > 1 {
			written = time.Now()
			require.NoError(t, w.Set(ctx, id, "title", fmt.Sprint(n)))
		}
	}
	require.Equal(t, 12, n, "ten changes were told")
	t.Logf("slowest of ten notifications: %d ms after the write", slowest.Milliseconds())
}
