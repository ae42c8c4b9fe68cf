package scepclient

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/smallstep/scep"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A Client enrols certificates with one SCEP service (RFC 8894). URL (or URLs) and Trust are required; every
// other field has a useful zero. Set fields before first use and leave them; methods may be called
// concurrently, and two Clients may follow different policies at the same time.
type Client struct {
	// URL is the service, for NDES https://HOST/certsrv/mscep/mscep.dll. A query in it is kept.
	URL string
	// URLs are further servers, tried in order when one does not answer GetCACaps and GetCACert acceptably.
	// All messages of one call go to one server.
	URLs []string
	// Trust authenticates the CA.
	Trust Trust
	// Policy decides algorithms.
	Policy Policy
	// HTTPClient is used with its own Transport and Timeout; its redirect policy is replaced. nil: a client per
	// call with a timeout of 30 s a request, which stays with the address it reached first.
	HTTPClient *http.Client
	// Method is "POST" or "GET" to force one for PKIOperation; "" follows the capabilities (RFC 8894, 4.1).
	Method string
	// CAIdentifier is sent as message= with GetCACaps, GetCACert and GetNextCACert. "": without, and where
	// the server then refuses or says nothing, once more with "default" as Windows does.
	CAIdentifier string
	// UserAgent replaces Go's.
	UserAgent string
	// Recipient overrides the choice of the certificate requests are encrypted to. It sees the authenticated
	// CA and RA certificates and must leave exactly one.
	Recipient scep.CertsSelector
	// Poll says how long to wait before poll n (from 1), and when to stop. nil: DefaultPoll.
	Poll func(n int) (wait time.Duration, again bool)
	// Skew is how far in the future an issued certificate's notBefore may lie. 0: five minutes.
	Skew time.Duration
	// Logger gets debug records of steps; never a secret, never a message. nil: none.
	Logger *slog.Logger
	// Now is the clock for certificate dates. nil: time.Now.
	Now func() time.Time
}

// DefaultPoll waits a minute before each of ten polls, as strongSwan and certmonger do a minute apart.
// A CA with manual approval needs more: save the [Transaction] and resume it.
func DefaultPoll(n int) (time.Duration, bool) { return time.Minute, n <= 10 }

const defaultSkew = 5 * time.Minute

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) log() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.New(slog.DiscardHandler)
}

// GetCACaps asks what the CA can do. A CA that answers with an error advertises nothing
// (RFC 8894, 3.5.2): Capabilities.HTTPStatus then has the status. Only a server that cannot be reached is
// an error.
func (c *Client) GetCACaps(ctx context.Context) (Capabilities, error) {
	urls := c.urls()
	if len(urls) == 0 {
		return Capabilities{}, errors.New("scepclient: no URL")
	}
	var errs []error
	for _, u := range urls {
		s, err := c.newSession(u)
		if err == nil {
			err = s.capabilities(ctx)
			s.close()
		}
		if err == nil {
			return s.caps, nil
		}
		errs = append(errs, err)
	}
	return Capabilities{}, errors.Join(errs...)
}

// GetCACert fetches and authenticates the CA and RA certificates and chooses their roles.
func (c *Client) GetCACert(ctx context.Context) (*CASet, error) {
	s, err := c.open(ctx, c.urls())
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.ca, nil
}

// FetchCACert returns the certificates of GetCACert without authenticating them: for showing fingerprints
// to a person who compares them, and for diagnosis. Use GetCACert for everything else.
func (c *Client) FetchCACert(ctx context.Context) ([]*x509.Certificate, error) {
	urls := c.urls()
	if len(urls) == 0 {
		return nil, errors.New("scepclient: no URL")
	}
	s, err := c.newSession(urls[0])
	if err != nil {
		return nil, err
	}
	defer s.close()
	b, _, err := s.get(ctx, "GetCACert")
	if err != nil {
		return nil, err
	}
	certs, _, err := ParseCACerts(b)
	return certs, err
}

// GetNextCACert fetches the certificates of the CA's next key (RFC 8894, 4.6) and returns them only when
// the answer is signed by the current CA or RA. A CA that does not advertise or answer it gives
// ErrUnsupported.
func (c *Client) GetNextCACert(ctx context.Context) ([]*x509.Certificate, error) {
	s, err := c.open(ctx, c.urls())
	if err != nil {
		return nil, err
	}
	defer s.close()
	b, _, err := s.get(ctx, "GetNextCACert")
	if err != nil {
		var he *HTTPError
		if errors.As(err, &he) {
			return nil, errors.Join(ErrUnsupported, err)
		}
		return nil, err
	}
	sd, err := cms.ParseSignedData(b)
	if err != nil {
		return nil, &ReplyError{Check: CheckCMS, Detail: "GetNextCACert", HTML: isHTML(b), Err: err}
	}
	if _, _, err := s.verifySigner(sd); err != nil {
		return nil, err
	}
	inner, err := cms.ParseSignedData(sd.Content)
	if err != nil {
		return nil, &ReplyError{Check: CheckContent, Detail: "GetNextCACert", Err: err}
	}
	certs, _, err := parseCerts(inner.Certificates)
	return certs, err
}
