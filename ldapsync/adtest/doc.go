// Package adtest is an Active Directory domain in the test process: a real LDAP v3 server on
// loopback, or on connections within the process, that behaves as a Windows domain controller does
// where that matters to a program that reads or writes one.
//
// The two calls most tests need:
//
//	dc := adtest.New(t, adtest.Config{LDIF: strings.NewReader(users)})
//	conn, err := ldap.DialURL(dc.TLSURL(), ldap.DialWithTLSConfig(dc.TLSConfig()))
//
// after which conn.Bind("reader@ashdown.example", "Passw0rd-reader") succeeds. Outside tests Start
// takes the place of New. The package imports the standard library only, and not testing.
//
// # What it does
//
//   - Bind (simple by DN, user principal name or NETBIOS\name, with the texts and data codes of Active
//     Directory; refused with 8 without TLS unless Config allows it; SASL EXTERNAL), StartTLS, LDAPS,
//     Search, Compare, Modify, Add, Delete, ModifyDN, Abandon, Unbind and WhoAmI.
//   - Filters with three-valued logic, all forms of RFC 4515, the matching rules for bits
//     (1.2.840.113556.1.4.803 and .804) and chains (.1941), ANR, and comparison by syntax.
//   - Limits: MaxPageSize with sizeLimitExceeded, paging with cookies that belong to a connection,
//     MaxValRange with automatic and explicit ranges, size and time limits of the client.
//   - Attributes the server maintains: objectGUID, objectSid, uSNCreated, uSNChanged, whenCreated,
//     whenChanged, name, distinguishedName, instanceType, objectCategory, links with their back links,
//     tokenGroups, nTSecurityDescriptor with the SD flags control.
//   - Names <GUID=…>, <SID=…> and <WKGUID=…,dn>; rootDSE; configuration and schema naming contexts.
//   - Tombstones and the show-deleted control, tree delete, permissive modify, extended DN, DirSync with and
//     without OBJECT_SECURITY, change notification, Global Catalog.
//   - Missing rights that are silent (Deny), faults on demand (Hook), a clock and GUIDs under control,
//     Snapshot and Restore, a changed invocationId, several domain controllers over the same data.
//
// # What it does not do
//
// Kerberos, NTLM and any other SASL mechanism; signing and sealing; referrals between domains; real
// replication (all domain controllers see a write at once); the recycle bin and undelete;
// inheritance of access rights beyond Deny; server-side sorting and virtual list views; password policy
// beyond a lockout counter; classes with mandatory or allowed attributes; aliases; comparison
// without accents, which Windows does for some locales. Object identifiers of attributes and most
// schemaIDGUIDs are made up; those of mail, operatingSystem, userCertificate and of the property sets are real.
//
// # Sources
//
// Behaviour follows RFC 4511 to 4515, RFC 2849, RFC 2696 and MS-ADTS; limits are those of the default
// query policy of Windows Server. Where those leave room, the comment of the option or function says
// what was chosen. Results are compared step by step with a Samba domain controller (TestAgainstSamba);
// nothing was compared with Windows itself.
package adtest
