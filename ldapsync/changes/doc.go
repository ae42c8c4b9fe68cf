// Package changes reads only what changed. Its Source stands before another one, keeps a copy of every object in a
// ldapsync.State, and asks the directory for those objects that are not as they were:
//
//	source := &changes.Source{Directory: dir, State: state, Organisation: "ashdown"}
//	syncer := ldapsync.Syncer{Source: source, State: state, …}
//
// What the engine sees through it is what it would see without: all objects in scope, each once. A cycle then costs
// the directory a list of identities instead of every attribute of everybody.
//
// # How changes are found
//
// Every cycle lists the identities and change numbers (objectGUID, uSNChanged) of what is in scope. This presence
// sweep is what tells who left: no kind of change tracking in Active Directory shows all that left an
// organisational unit. On top of it comes one of these methods, the first that the account has the rights for:
//
//   - DirSync (MS-ADTS 3.1.1.3.4.1.3), with the right DS-Replication-Get-Changes;
//   - DirSync with OBJECT_SECURITY, for every account;
//   - USN: an object whose uSNChanged differs from the one kept is read again;
//   - Full: everything is read in every cycle, where none of these can be had.
//
// With both forms of DirSync the change numbers are compared as well, as long as the domain controller is the same.
// Change numbers belong to one database: another domain controller or a restored one (another invocationId, or a
// highestCommittedUSN that went back) leads to a full read. What DirSync with the replication right adds is that the
// copy stays good then. Without the right, DirSync is silent on attributes that were denied at the moment it was
// asked, and is not relied on alone.
//
// # When everything is read
//
// At first, once a day (Source.FullEvery), when the attributes or the filter asked for changed, when the server
// refuses the cookie, when more changed than is worth reading singly, and in every cycle where the mapping uses an
// attribute whose changes do not show: back links such as memberOf, computed attributes, attributes that are not
// replicated.
//
// Rights of the account do not show in change numbers either. Those that were lost show for objects that change, and
// for others at the next full read; until then the copy keeps the values that were read, and nothing is cleared. An
// object of which something could not be read is read again in every cycle; where a full read finds such objects (it
// verifies a few for each attribute), everything is read again the next time. What is left, an attribute that is
// denied on some objects only, is found when the engine asks about it, or by the daily full read.
//
// # What is kept
//
// The copy, the cookie, the name of the domain controller and its invocationId are committed together, after the
// last object was read and only if the same server still answered. What was interrupted is as if it had not begun.
// The copy holds the values of the attributes that are mapped: the State must be protected like the directory.
// Losing it costs a full read.
//
// # Notifications
//
// Wakeups waits for the next cycle: until something changed in one of the organisational units, as the domain
// controller tells (change notification), or the interval is over. A notification is a reason to look now and proves
// nothing. Samba does not tell of objects that are deleted or moved away.
package changes
