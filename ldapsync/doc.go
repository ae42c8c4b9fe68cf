// Package ldapsync is a sync engine for users and devices: it reads them from an organisation's Active Directory,
// maps their attributes with the organisation's own rules, and writes them to another directory. It decides
// everything before it writes anything, says why for every line, and never takes "could not be read" for "is not
// there".
//
// The two calls most programs need are on Syncer:
//
//	plan, err := s.Plan(ctx)                                    // reads, decides, writes nothing
//	report, err := s.Apply(ctx, plan, ldapsync.ApplyOptions{})  // the only call that writes
//
// A Syncer needs a Source, a Target and a State. The package itself imports only the standard library; the parts
// that talk to something are below it: ldapdir (Active Directory and other LDAP servers), entra (Microsoft Graph as a
// target), ldif (an export as a source), memdir and memstate (in memory, for tests), boltstate (a file). adpreflight
// examines an organisation before it is synchronised. adtest is an Active Directory in the
// test process. targettest and statetest check implementations of the interfaces, hazardtest that the engine on top
// of them does no harm when something goes wrong, mappingtest tests an organisation's mapping from text files.
//
// # Mappings
//
// A Mapping is a list of Rules. A Rule names its target attribute, declares its inputs, and computes a Result:
// Set, Clear, Skip, Abstain or Unknown. Rules are pure functions, so that an organisation can test its own in a
// few lines. CloudSSOUsers and HybridJoinDevices are built in, each rule with its source; copy and change them.
//
// # What leaves scope
//
// A user that is moved out of its OU has exactly those attributes reverted to null that the engine wrote, if they
// still have the value it wrote. An object that is found nowhere counts as deleted only after several cycles. A
// device that fails the certificate rule is held, not removed.
//
// # What is refused
//
// A read that ends early, a container that cannot be found, or a Global Catalog connection gives an error and no
// plan. An empty read, a read far smaller than the last, a missing canary, an OU that may not be listed, an OU
// that was replaced by another of the same name, and more reverts, clears or deletes than the Guards allow give
// a plan that Apply refuses until its Trips are accepted, each for this plan only.
//
// # What is remembered
//
// The State holds which objects are joined, which attributes the engine wrote and what they were before, and the
// journal of applied plans, from which Undo makes the plan that takes one back. A State that is lost costs the
// ability to revert what was written before, and no wrong write.
//
// # What it does not do
//
// It does not move or synchronise passwords, groups or group memberships, and does not write on-premises
// properties of Entra ID, which only Microsoft's own sync can write. It decides anew about every object in every
// cycle; package changes keeps a copy of the source, so that only what changed is read.
//
// # What it needs
//
// What was read is put into temporary files (Syncer.TempDir) while a plan is made; in memory stays what it is found
// by, some 70 bytes for an object that is in order. A Plan holds its items, some 3 KB for each of a user whose
// attributes are all new. Applying holds nothing but the plan. The size of the process is about twice that, because
// garbage is collected so. With the State in a file (boltstate) a cycle for 1,000,000 users of whom one in a hundred
// changed stays under 300 MB.
//
// The rules of the service this models are cited as "operations guide" with their section; facts about products
// are cited with Microsoft's document.
package ldapsync
