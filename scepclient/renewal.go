package scepclient

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/smallstep/scep"
)

// A RenewalStep is one way to ask for a renewal.
type RenewalStep uint8

const (
	// StepRenewalReq is RenewalReq (17) signed by the old certificate, without challenge (RFC 8894, 3.3.1.2).
	// It is left out when the CA does not advertise Renewal.
	StepRenewalReq RenewalStep = iota + 1
	// StepSignedByOld is PKCSReq (19) signed by the old certificate, without challenge, as older drafts had
	// renewal.
	StepSignedByOld
	// StepRenewalReqChallenge is StepRenewalReq with the challenge: step-ca and micromdm scepserver want it.
	StepRenewalReqChallenge
	// StepFresh is a first enrolment over again, self-signed, with the challenge.
	StepFresh
)

var stepNames = [...]string{StepRenewalReq: "renewalreq", StepSignedByOld: "signed-by-old", StepRenewalReqChallenge: "renewalreq+challenge", StepFresh: "fresh"}

// String returns renewalreq, signed-by-old, renewalreq+challenge or fresh.
func (s RenewalStep) String() string {
	if s > 0 && int(s) < len(stepNames) {
		return stepNames[s]
	}
	return "RenewalStep(" + strconv.Itoa(int(s)) + ")"
}

// ParseRenewalStep is the inverse of String.
func ParseRenewalStep(s string) (RenewalStep, error) {
	for i, n := range stepNames {
		if n == s && n != "" {
			return RenewalStep(i), nil
		}
	}
	return 0, fmt.Errorf("scepclient: renewal step %q is not one of %s", s, strings.Join(stepNames[1:], ", "))
}

// DefaultRenewalSteps is the ladder of Renew.
func DefaultRenewalSteps() []RenewalStep {
	return []RenewalStep{StepRenewalReq, StepSignedByOld, StepFresh}
}

// A Renewal replaces a certificate. The embedded Request describes the new one; its Key SHOULD be new
// (RFC 8894, 2.3). Keep OldKey until Renew has returned: replies to messages signed by the old certificate
// are encrypted to it.
type Renewal struct {
	Request
	Certificate *x509.Certificate
	OldKey      crypto.Signer
	// Steps are tried in order while the CA refuses. nil: DefaultRenewalSteps.
	Steps []RenewalStep
	// ReusableChallenge says that Challenge may be sent in more than one step. Otherwise the first step that
	// carries it is the last that can.
	ReusableChallenge bool
}

// A RenewalError lists what each step came to. errors.Is and As see all of them.
type RenewalError struct{ Steps []StepError }

// A StepError is one refused or impossible step.
type StepError struct {
	Step RenewalStep
	Err  error
}

func (e *RenewalError) Error() string {
	s := "scepclient: renewal refused"
	for _, st := range e.Steps {
		s += "; " + st.Step.String() + ": " + st.Err.Error()
	}
	return s
}

// Unwrap returns the errors of the steps.
func (e *RenewalError) Unwrap() []error {
	var out []error
	for _, s := range e.Steps {
		out = append(out, s.Err)
	}
	return out
}

var errNotOffered = errors.New("not tried: the CA does not advertise Renewal")

// Renew climbs the ladder of steps on one server. The next step is tried only after an authenticated
// refusal (*FailureError): a reply that must not be believed, an unclear outcome or a pending
// request end the call, because the CA may have acted. A one-time challenge is sent at most once.
func (c *Client) Renew(ctx context.Context, r Renewal) (*Issued, error) {
	if r.Certificate == nil {
		return nil, &PolicyError{What: "Renewal.Certificate is not set"}
	}
	if r.OldKey == nil {
		return nil, &PolicyError{What: "Renewal.OldKey is not set"}
	}
	if eq, ok := r.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !eq.Equal(r.OldKey.Public()) {
		return nil, &PolicyError{What: "Renewal.OldKey does not belong to Renewal.Certificate"}
	}
	steps := r.Steps
	if steps == nil {
		steps = DefaultRenewalSteps()
	}
	s, err := c.open(ctx, c.urls())
	if err != nil {
		return nil, err
	}
	defer s.close()
	var failed RenewalError
	spent := false
	for _, step := range steps {
		iss, err := s.renewStep(ctx, &r, step, &spent)
		if err == nil {
			return iss, nil
		}
		failed.Steps = append(failed.Steps, StepError{step, err})
		var fe *FailureError
		var pe *PolicyError
		switch {
		case errors.As(err, &fe), errors.Is(err, errNotOffered), errors.Is(err, ErrNoChallenge):
		case errors.As(err, &pe) && step != StepFresh: // an EC certificate cannot open the reply; a fresh request may
		default:
			return nil, &failed
		}
		c.log().DebugContext(ctx, "scep renewal step refused", "step", step.String(), "error", err.Error())
	}
	return nil, &failed
}

func (s *session) renewStep(ctx context.Context, r *Renewal, step RenewalStep, spent *bool) (*Issued, error) {
	challenge := step == StepFresh || step == StepRenewalReqChallenge
	if (step == StepRenewalReq || step == StepRenewalReqChallenge) && !s.caps.Has(CapRenewal) {
		return nil, errNotOffered
	}
	if challenge && r.CSR == nil {
		if r.Challenge.IsZero() && step == StepRenewalReqChallenge || *spent && !r.ReusableChallenge {
			return nil, ErrNoChallenge
		}
	}
	req := r.Request
	req.TransactionID = "" // each step is a transaction of its own
	if !challenge {
		req.Challenge = Secret{}
	}
	p, err := s.c.prepare(req, step == StepFresh)
	if err != nil {
		return nil, err
	}
	*spent = *spent || challenge && !r.Challenge.IsZero()
	if step == StepFresh {
		return s.request(ctx, scep.PKCSReq, p, p.self, req)
	}
	old, err := newSigner(r.Certificate, r.OldKey)
	if err != nil {
		return nil, err
	}
	typ := scep.RenewalReq
	if step == StepSignedByOld {
		typ = scep.PKCSReq
	}
	return s.request(ctx, typ, p, old, req)
}

// TemplateOf returns a Template that asks for what c says: subject, alternative names, key usage and
// extended key usage, for a renewal under the same name.
func TemplateOf(c *x509.Certificate) Template {
	t := Template{RawSubject: c.RawSubject}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSAN) || e.Id.Equal(oidKeyUsage) || e.Id.Equal(oidExtKeyUsage) {
			t.ExtraExtensions = append(t.ExtraExtensions, e)
		}
	}
	return t
}
