// Package scepclient is a client of the Simple Certificate Enrolment Protocol (RFC 8894): it enrols and renews
// certificates with NDES, step-ca, micromdm and other SCEP servers from any program, with any crypto.Signer,
// and hands over only a certificate that belongs to the requested key, is valid now, and chains to the CA that
// was pinned.
//
//	c := &scepclient.Client{
//		URL:    "https://ndes.ashdown.example/certsrv/mscep/mscep.dll",
//		Trust:  scepclient.Trust{Pins: []string{"5f1c…"}}, // SHA-256 of the CA certificate
//		Policy: scepclient.PolicyNDES(),
//	}
//	iss, err := c.Enrol(ctx, scepclient.Request{Key: key, Template: t, Challenge: scepclient.NewSecret(password)})
//
// Most programs need [Client.Enrol] and [Client.Renew]; [Client.Resume] goes on with a request a CA has not
// decided. [Explain] says in words what an error means, on NDES too, and what to do. Package sceptest is a CA
// for tests, package renew keeps a directory of certificates fresh, package ndes knows Microsoft's server and
// examines one, package intune reads the SCEP profiles of Microsoft Intune.
//
// # What it does that is not obvious
//
// The CA is authenticated before anything is encrypted to it, by fingerprint or a local copy. A request has one
// recipient. A reply must be signed by a certificate of the authenticated set, byte for byte: chaining to the CA
// is not enough, because every enrolled device does. The certificate is found by its key, not its position.
// A request whose answer was lost is never sent again by itself, because servers issue again for the same
// bytes. Algorithms are decided for each call by a [Policy] and never fall below AES-128 and SHA-256 unless both
// the CA's capabilities and the policy say so; what a reply may use is a separate decision, reported as a
// [Warning].
//
// # What it does not do
//
// Password-based envelopes for CAs without an RSA key (RFC 8894, 3.1), which no known server offers; revocation
// checks of issued certificates; CAs whose chains are signed with SHA-1, which Go no longer verifies; the
// message types of drafts that RFC 8894 dropped (UpdateReq).
//
// Protocol facts are from RFC 8894, numbered in comments; statements about NDES are from Microsoft's
// documentation and reports of its users, and marked as reported where no document says so.
//
// Types and numbers of the protocol are those of github.com/smallstep/scep; messages are built and read by an
// internal package, for the reasons its tests show one by one.
package scepclient
