package ndes

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.internal/hybridkit/scepclient"
)

// A Severity ranks findings.
type Severity string

// The severities. Unknown means that a check could not be made, which differs from Healthy.
const (
	Healthy Severity = "healthy"
	Unknown Severity = "unknown"
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// A Finding is what one check saw.
type Finding struct {
	Check    string   `json:"check"` // ID of the check
	Severity Severity `json:"severity"`
	Evidence string   `json:"evidence"` // what was seen
	Meaning  string   `json:"meaning,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
	Source   string   `json:"source"`
}

// A Check is one examination. Checks are data: a Doctor runs the slice it is given.
type Check struct {
	ID     string // stable
	Title  string
	Source string
	run    func(*visit)
}

// A Report is the findings of all checks, in their order.
type Report struct {
	URL      string    `json:"url"`
	Findings []Finding `json:"findings"`
}

// Worst returns the highest severity of the report.
func (r *Report) Worst() Severity {
	rank := map[Severity]int{Healthy: 0, Info: 1, Unknown: 2, Warning: 3, Error: 4}
	worst := Healthy
	for _, f := range r.Findings {
		if rank[f.Severity] > rank[worst] {
			worst = f.Severity
		}
	}
	return worst
}

// A Doctor examines one NDES, or another SCEP server, from the outside. URL is required. Nothing it sends can
// enrol a certificate or use up a challenge.
type Doctor struct {
	// URL is the enrolment address, in any form ParseEndpoint knows; another SCEP address is taken as it is.
	URL string
	// Intune says that the Intune policy module should be installed, which changes what the bare address answers.
	Intune bool
	// Names are names the TLS certificate has to hold besides the host of URL: the internal name where URL is
	// the external one, and the other way round.
	Names []string
	// Trust authenticates the CA where pins are known. Empty: what the server sends is examined as it is.
	Trust scepclient.Trust
	// Roots verify the TLS chain. nil: those of this machine.
	Roots *x509.CertPool
	// HTTPClient gives transport and timeout. nil: a timeout of 20 s a request.
	HTTPClient *http.Client
	// Soon is how long before expiry a certificate is warned about. 0: 45 days.
	Soon time.Duration
	// Checks to run. nil: Checks().
	Checks []Check
	// Progress is called before each check. nil: not.
	Progress func(Check)
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// A visit is the state of one Run.
type visit struct {
	*Doctor
	ctx   context.Context
	http  *http.Client
	url   string
	host  string
	ndes  bool
	check Check
	out   []Finding

	base  *answer
	caps  *answer
	certs *answer
	set   []*x509.Certificate
}

// An answer is one HTTP exchange.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// Run makes every check. The error is about the Doctor's own fields or a context that ended; what is wrong with the
// server is in the report.
func (d *Doctor) Run(ctx context.Context) (*Report, error) {
	v := &visit{Doctor: d, ctx: ctx}
	if e, err := ParseEndpoint(d.URL); err == nil {
		v.url, v.ndes = e.Enrol, true
	} else {
		u, perr := url.Parse(d.URL)
		if perr != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
			return nil, fmt.Errorf("ndes: Doctor.URL: %w", err)
		}
		v.url = d.URL
	}
	u, err := url.Parse(v.url)
	if err != nil {
		return nil, fmt.Errorf("ndes: Doctor.URL: %w", err)
	}
	v.host = u.Hostname()
	v.http = &http.Client{Timeout: 20 * time.Second}
	if d.HTTPClient != nil {
		c := *d.HTTPClient
		v.http = &c
	}
	v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	checks := d.Checks
	if checks == nil {
		checks = Checks()
	}
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.Progress != nil {
			d.Progress(c)
		}
		v.check = c
		before := len(v.out)
		if c.run != nil {
			c.run(v)
		}
		if len(v.out) == before {
			v.found(Healthy, "nothing to report", "", "")
		}
	}
	return &Report{URL: v.url, Findings: v.out}, ctx.Err()
}

func (v *visit) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func (v *visit) soon() time.Duration {
	if v.Soon > 0 {
		return v.Soon
	}
	return 45 * 24 * time.Hour
}

func (v *visit) found(s Severity, evidence, meaning, remedy string) {
	v.out = append(v.out, Finding{v.check.ID, s, evidence, meaning, remedy, v.check.Source})
}

// explained reports an entry of scepclient's table of failures.
func (v *visit) explained(s Severity, evidence string, e scepclient.Explanation) {
	v.out = append(v.out, Finding{v.check.ID, s, evidence, e.Meaning, e.Remedy, e.Source})
}

func (v *visit) get(target string) *answer {
	req, err := http.NewRequestWithContext(v.ctx, http.MethodGet, target, nil)
	if err != nil {
		return &answer{err: err}
	}
	resp, err := v.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL, which may be 31 kB long
		}
		return &answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return &answer{resp.StatusCode, resp.Header, b, err}
}

func (v *visit) operation(op, message string) *answer {
	sep := "?"
	if strings.Contains(v.url, "?") {
		sep = "&"
	}
	q := sep + "operation=" + op
	if message != "" {
		q += "&message=" + message
	}
	return v.get(v.url + q)
}

func (v *visit) baseAnswer() *answer {
	if v.base == nil {
		v.base = v.get(v.url)
	}
	return v.base
}

func (v *visit) capsAnswer() *answer {
	if v.caps == nil {
		v.caps = v.operation("GetCACaps", "")
	}
	return v.caps
}

// certificates fetches and parses GetCACert once.
func (v *visit) certificates() ([]*x509.Certificate, *answer, error) {
	if v.certs == nil {
		v.certs = v.operation("GetCACert", "")
		if v.certs.err == nil && v.certs.status != http.StatusOK {
			if again := v.operation("GetCACert", "default"); again.err == nil && again.status == http.StatusOK {
				v.certs = again
			}
		}
		if v.certs.err == nil && v.certs.status == http.StatusOK {
			v.set, _, v.certs.err = scepclient.ParseCACerts(v.certs.body)
		}
	}
	a := v.certs
	if a.err != nil {
		return nil, a, a.err
	}
	if a.status != http.StatusOK {
		return nil, a, &scepclient.HTTPError{Operation: "GetCACert", URL: v.url, Status: a.status}
	}
	return v.set, a, nil
}

// failed reports an answer that is no answer, and says whether there was one.
func (v *visit) failed(a *answer, what string) bool {
	if a.err == nil {
		return false
	}
	if e, ok := scepclient.Explain(a.err); ok {
		v.explained(Error, what+": "+a.err.Error(), e)
	} else {
		v.found(Error, what+": "+a.err.Error(), "The server did not answer.", "Check name, port, firewall, proxy and TLS.")
	}
	return true
}

func (v *visit) httpStatus(a *answer, what string) {
	e, _ := scepclient.Explain(&scepclient.HTTPError{Operation: what, URL: v.url, Status: a.status})
	v.explained(Error, fmt.Sprintf("%s: HTTP %d", what, a.status), e)
}

func infoPage(a *answer) bool {
	return bytes.Contains(bytes.ReplaceAll(a.body, []byte{0}, nil), []byte("Network Device Enrollment Service"))
}
