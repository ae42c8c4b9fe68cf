// Package ldapdir connects ldapsync to directories over LDAP: Active Directory and plain LDAP servers, as Source
// and as Target.
//
//	dir, err := ldapdir.Open(ldapdir.Config{
//		URL:  "ldaps://dc1.ashdown.example",
//		Bind: ldapdir.Simple{User: "svc-sync@ashdown.example", Password: ldapdir.SecretFile("/etc/sync/password")},
//	})
//	for object, err := range dir.Read(ctx, query) { … }
//
// # Reading
//
// Reads are paged and streamed: the next page is asked for while the caller works on this one, and about 300 KB of
// messages wait at most. Within a long answer on Linux, entries are given 0.2 ms to gather whenever none has arrived;
// a thread is held meanwhile. Search entries are decoded straight from the bytes of the connection, beside go-ldap, which
// does everything else. An entry costs less than one allocation, because the parts of a few neighbouring objects lie
// in memory they share: who keeps a value keeps up to 4 KB with it, who keeps one object of many up to 12 KB. To
// hold a whole directory use ldapsync.ObjectBatch; to keep few values of many objects, strings.Clone.
//
// Attributes that a domain controller hands out in ranges are fetched to the end. Where a context ends or a loop is
// left, the search is abandoned and its connection closed. A read that cannot be finished ends in an error that wraps
// ldapsync.ErrPartial; it is never resumed on another connection, because the position in a paged search belongs to
// its connection. One message may have 64 MB; memory grows with what has arrived, not with what a length promises.
//
// Absence is verified only when asked (ldapsync.AbsenceVerifier): the object is read again together with its
// security descriptor, and the rights of the account are evaluated with package adsec. A plain LDAP server has no
// standard way to ask; see Config.TrustAbsence.
//
// Reads are complete reads. What package changes needs to read only what changed is here too: Changed (DirSync),
// Unversioned, and Notify (change notification).
//
// # Writing
//
// A change of attributes is one Modify that deletes the old values and adds the new ones by name. It fails as a
// whole where an old value is gone or a new one is there already, so that the edit of another administrator is
// not overwritten. Active Directory compares strings without case in this, therefore the object is read and
// compared byte by byte right before. What remains: a value that somebody adds to an attribute of several values
// between that read and the write is kept, not noticed; and what a deletion demands is checked before it, not
// with it. A rename names the object by the DN that was just read, so that a faster rename makes it fail.
//
// On a plain LDAP server that knows the assertion control (RFC 4528) and keeps entryCSN, such as OpenLDAP, the
// write is conditional on the entry being exactly the one that was read. Elsewhere it is as with Active Directory;
// where an attribute has no equality rule, so that single values cannot be named, its values are replaced without
// that protection.
//
// # What it does not do
//
// Referrals are not followed: references among results are skipped, and a referral as the result of an operation
// is an error. There is no SASL security layer (signing and sealing): use TLS.
package ldapdir
