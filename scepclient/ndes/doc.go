// Package ndes knows Microsoft's Network Device Enrollment Service: its addresses, its password page, which
// certificate template a key usage leads to, and what is wrong with one that does not work.
//
//	e, err := ndes.ParseEndpoint("ndes01.ashdown.example")
//	page, err := (&ndes.Admin{URL: e.Admin, Username: `ASHDOWN\svc-scep`, Password: pw}).Challenge(ctx)
//	report, err := (&ndes.Doctor{URL: e.Enrol, Intune: true}).Run(ctx)
//
// [Doctor] is a list of checks over a live address: the HTTP code table, capabilities, dates and usages of the RA
// certificates, long URLs, the TLS chain and its names, CRLs, and the password page. Each finding has an ID, the
// evidence, what it means and what to do.
//
// Sources are Microsoft's support articles on SCEP with Intune and its Validate-NDESConfiguration script. No traffic
// of a real NDES was at hand: what rests on reports is marked so in comments. Kerberos is left to the caller's
// HTTP transport; NTLM and Negotiate with NTLM inside come from github.com/Azure/go-ntlmssp.
package ndes
