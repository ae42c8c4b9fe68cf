// Package sceptest is a SCEP certification authority in the test process. It speaks real bytes: real PKCS #10,
// CMS, certificates and CRLs on both sides, over [CA.Client] without a socket or over a loopback URL for
// programs that are not written in Go.
//
//	ca := sceptest.New(t, sceptest.Config{Pending: 2})
//	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
//
// Two modes are built in: [RFC], a certification authority as RFC 8894 describes it, and [NDES], one that
// behaves as Microsoft's Network Device Enrollment Service is reported to: two RA certificates with one
// subject, 3DES, one-time passwords, HTTP 403 on the bare address. [Config.Reply] may answer anything at all,
// and [Cases] is a list of 32 replies that are right, or wrong in exactly one way.
//
// It is not NDES. It does not do: access control beyond challenges, name policies, key archival, revocation
// requests, TLS, NTLM on the password page, password-based envelopes, throttling. Its keys are made anew in
// each process. strongSwan, certmonger and micromdm's scepclient enrol against it in this repository's checks,
// which is the evidence that it is believable.
//
// A CA is safe for concurrent use.
package sceptest
