package renew_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/renew"
	"go.internal/hybridkit/scepclient/sceptest"
)

// A lineCut is the way to a CA that is down between two times.
type lineCut struct {
	http.RoundTripper
	from, to time.Time
	tries    *int
}

var errDown = errors.New("connect: connection refused")

func (l lineCut) RoundTrip(r *http.Request) (*http.Response, error) {
	if now := time.Now(); now.After(l.from) && now.Before(l.to) {
		*l.tries++
		return nil, errDown
	}
	return l.RoundTripper.RoundTrip(r)
}

// TestCADownForDays: as long as the CA is down the old certificate stays, every look at the folder tries again, and
// nothing piles up; when it is back the certificate is renewed, also after it has expired.
func TestCADownForDays(t *testing.T) {
	for name, c := range map[string]struct{ until, renewedAfter time.Duration }{
		"back before the certificate expires": {until: 228 * time.Hour, renewedAfter: 234 * time.Hour},
		"back two days after it expired":      {until: 12 * day, renewedAfter: 12*day + 6*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, k, dir := setup(t, sceptest.Config{})
				start, tries := time.Now(), 0
				client := *k.Client
				client.HTTPClient = &http.Client{Transport: lineCut{k.Client.HTTPClient.Transport, start.Add(7 * day), start.Add(c.until), &tries}}
				k.Client = &client
				k.Interval = 6 * time.Hour
				k.Challenge = func(context.Context, string) (scepclient.Secret, error) { return scepclient.NewSecret("secret"), nil }
				old := read(t, dir)
				actions := map[renew.Action]int{}
				var renewed time.Duration
				ctx, cancel := context.WithTimeout(t.Context(), 14*day)
				defer cancel()
				k.Hook = func(_ context.Context, r renew.Result) error {
					actions[r.Action]++
					switch r.Action {
					case renew.Failed:
						require.ErrorIs(t, r.Err, errDown)
						require.Equal(t, old.SerialNumber, read(t, dir).SerialNumber)
						files, err := os.ReadDir(filepath.Join(dir, "web"))
						require.NoError(t, err)
						require.LessOrEqual(t, len(files), 5)
					case renew.Renewed:
						renewed = time.Since(start)
						cancel()
					}
					return nil
				}
				require.ErrorIs(t, k.Run(ctx), context.Canceled)
				require.Greater(t, actions[renew.Failed], 4)
				require.Equal(t, 1, actions[renew.Renewed])
				require.LessOrEqual(t, renewed, c.renewedAfter)
				require.NotEqual(t, old.SerialNumber, read(t, dir).SerialNumber)
				require.Less(t, tries, 10*actions[renew.Failed], "one look is a few requests, not a hammering")
			})
		})
	}
}
