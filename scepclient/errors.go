package scepclient

import (
	"errors"
	"fmt"
	"strconv"
)

// Conditions to test with errors.Is.
var (
	ErrPending     = errors.New("scepclient: request still pending")                          // see *PendingError
	ErrFailure     = errors.New("scepclient: the CA refused")                                 // see *FailureError
	ErrReply       = errors.New("scepclient: reply not acceptable")                           // see *ReplyError
	ErrUntrusted   = errors.New("scepclient: CA certificate not authenticated")               // see *TrustError
	ErrPolicy      = errors.New("scepclient: below policy")                                   // see *PolicyError
	ErrUnclear     = errors.New("scepclient: request sent, outcome unknown")                  // see *UnclearError
	ErrUnsupported = errors.New("scepclient: the CA does not support this operation")         // GetNextCACert, GetCRL, GetCert
	ErrNoChallenge = errors.New("scepclient: no challenge left to send in a fresh PKCSReq")   // the last step of a renewal
	ErrKey         = errors.New("scepclient: the private key does not fit the saved request") // Resume
)

// FailInfo is why a CA refused (RFC 8894, 3.2.1.4.5). Values the RFC does not define are kept and print as
// a number; smallstep/scep's type of that name ends the process when one is printed.
type FailInfo int

// The reasons of RFC 8894, and NoFailInfo for a FAILURE without one.
const (
	NoFailInfo      FailInfo = -1
	BadAlg          FailInfo = 0 // algorithm not supported
	BadMessageCheck FailInfo = 1 // signature or envelope could not be checked
	BadRequest      FailInfo = 2 // transaction not permitted or not supported
	BadTime         FailInfo = 3 // signingTime too far from the CA's clock
	BadCertID       FailInfo = 4 // no certificate matches
)

var failInfos = map[FailInfo]string{NoFailInfo: "no failInfo", BadAlg: "badAlg", BadMessageCheck: "badMessageCheck", BadRequest: "badRequest", BadTime: "badTime", BadCertID: "badCertId"}

// String returns the RFC's name, or "failInfo(9)" for a number it does not define.
func (f FailInfo) String() string {
	if s, ok := failInfos[f]; ok {
		return s
	}
	return "failInfo(" + strconv.Itoa(int(f)) + ")"
}

// A FailureError is a CA's authenticated refusal.
type FailureError struct {
	FailInfo      FailInfo
	Text          string // failInfoText, "" if the CA sent none
	TransactionID string
	Operation     string // the message refused: PKCSReq, RenewalReq, CertPoll, GetCert, GetCRL
}

func (e *FailureError) Error() string {
	s := "scepclient: " + e.Operation + " refused: " + e.FailInfo.String()
	if e.Text != "" {
		s += fmt.Sprintf(" (%q)", e.Text)
	}
	return s
}

// Is makes every FailureError match ErrFailure.
func (e *FailureError) Is(target error) bool { return target == ErrFailure }

// A Check names the check a reply failed. The values are stable.
type Check string

// The checks, in the order they are made.
const (
	CheckCMS           Check = "cms"            // the body is CMS SignedData with one signer
	CheckSigner        Check = "signer"         // the signer is a CA or RA certificate of the authenticated set
	CheckSignature     Check = "signature"      // signature, messageDigest, contentType, attributes single
	CheckMessageType   Check = "message-type"   // CertRep
	CheckTransactionID Check = "transaction-id" // equal to ours
	CheckNonce         Check = "nonce"          // recipientNonce equal to our senderNonce
	CheckStatus        Check = "status"         // pkiStatus known
	CheckPolicy        Check = "policy"         // algorithms of the reply
	CheckRecipient     Check = "recipient"      // encrypted to us
	CheckDecrypt       Check = "decrypt"        // envelope opens
	CheckContent       Check = "content"        // certificates-only SignedData with what was asked for
	CheckKey           Check = "key"            // issued for our public key
	CheckDates         Check = "dates"          // valid now
	CheckChain         Check = "chain"          // chains to the pinned CA
	CheckChanged       Check = "changed"        // subject, SAN and usage as asked (Policy.RejectChanged)
	CheckCRL           Check = "crl"            // CRL signature, issuer and dates
)

// A ReplyError says which check an HTTP 200 reply failed. Nothing of the reply reached the caller.
// The CA may have issued a certificate all the same.
type ReplyError struct {
	Check  Check
	Detail string
	HTML   bool // the body was a web page, as a proxy's sign-in page is
	Err    error
}

func (e *ReplyError) Error() string {
	s := "scepclient: reply refused, check " + string(e.Check) + ": " + e.Detail
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes every ReplyError match ErrReply.
func (e *ReplyError) Is(target error) bool { return target == ErrReply }

// Unwrap returns the cause.
func (e *ReplyError) Unwrap() error { return e.Err }

// An HTTPError is an HTTP status other than 200, or an answer that is too long.
type HTTPError struct {
	Operation   string // GetCACaps, GetCACert, GetNextCACert or PKIOperation
	URL         string // without query
	Status      int
	ContentType string
	Server      string // Server header, to tell IIS apart
}

func (e *HTTPError) Error() string {
	return fmt.Sprintf("scepclient: %s %s: HTTP status %d", e.Operation, e.URL, e.Status)
}

// A TrustError says why the certificates of GetCACert could not be used.
type TrustError struct{ Detail string }

func (e *TrustError) Error() string { return "scepclient: CA not authenticated: " + e.Detail }

// Is makes every TrustError match ErrUntrusted.
func (e *TrustError) Is(target error) bool { return target == ErrUntrusted }

// An UnclearError says that a request was sent and no usable HTTP answer came back. The CA may have issued a
// certificate and used up a one-time challenge. The client never sends such a request again by itself:
// micromdm scepserver and step-ca issue a second certificate for the same bytes.
type UnclearError struct {
	TransactionID string
	Err           error
}

func (e *UnclearError) Error() string {
	return "scepclient: request sent, outcome unknown (transaction " + e.TransactionID + "): " + e.Err.Error()
}

// Is makes every UnclearError match ErrUnclear.
func (e *UnclearError) Is(target error) bool { return target == ErrUnclear }

// Unwrap returns the cause.
func (e *UnclearError) Unwrap() error { return e.Err }

// A PendingError carries the transaction to resume when polling ended before the CA decided.
type PendingError struct{ Transaction *Transaction }

func (e *PendingError) Error() string {
	return fmt.Sprintf("scepclient: transaction %s still pending after %d polls", e.Transaction.TransactionID, e.Transaction.Polls)
}

// Is makes every PendingError match ErrPending.
func (e *PendingError) Is(target error) bool { return target == ErrPending }
