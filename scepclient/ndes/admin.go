package ndes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/go-ntlmssp"

	"go.internal/hybridkit/scepclient"
)

// An Admin reads challenge passwords off the password page.
type Admin struct {
	// URL is the page, such as Endpoint.Admin. http is refused unless AllowHTTP is set: whoever is on the path
	// gets the password, and can relay the NTLM exchange.
	URL string
	// Username is DOMAIN\user or user@domain; Password its password. Without a Username the request goes out as
	// HTTPClient sends it, for transports that do Kerberos themselves.
	Username string
	Password scepclient.Secret
	// AllowBasic answers a Basic challenge too, which sends the password to the server.
	AllowBasic bool
	AllowHTTP  bool
	// HTTPClient gives the transport and timeout. nil: a timeout of 30 s.
	HTTPClient *http.Client
}

// Challenge loads the page once. Each call takes a password out of NDES's cache; use what it returns.
// A one-time password is best used within 57 minutes of its 60. Errors besides those of ParsePage:
// *scepclient.HTTPError, 401 among them when the account is refused.
func (a *Admin) Challenge(ctx context.Context) (*Page, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("ndes: Admin.URL is not an http or https address without user")
	}
	if u.Scheme == "http" && !a.AllowHTTP {
		return nil, errors.New("ndes: the password page is asked for over https only (Admin.AllowHTTP)")
	}
	base := &http.Client{Timeout: 30 * time.Second}
	if a.HTTPClient != nil {
		c := *a.HTTPClient
		base = &c
	}
	base.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("ndes: %w", err)
	}
	if a.Username != "" {
		rt := base.Transport
		if rt == nil {
			// NTLM authenticates a connection, so this one is not shared.
			t := http.DefaultTransport.(*http.Transport).Clone()
			defer t.CloseIdleConnections()
			rt = t
		}
		base.Transport = ntlmssp.Negotiator{RoundTripper: rt, AllowBasicAuth: a.AllowBasic}
		req.SetBasicAuth(a.Username, a.Password.Reveal())
	}
	resp, err := base.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("ndes: password page: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err != nil {
		return nil, fmt.Errorf("ndes: password page: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &scepclient.HTTPError{Operation: "mscep_admin", URL: strings.SplitN(a.URL, "?", 2)[0], Status: resp.StatusCode,
			ContentType: resp.Header.Get("Content-Type"), Server: resp.Header.Get("Server")}
	}
	return ParsePage(body, resp.Header.Get("Content-Type"))
}
