// Package hybridkit is a map of the module; it holds no code.
//
// The module is for organisations whose Windows devices live between on-premises Active Directory and
// Configuration Manager (formerly SCCM) on one side, and Microsoft Entra ID (formerly Azure AD) and Intune
// on the other. Each package answers one kind of question and imports none of the others:
//
//	ldapsync     What should be synchronised, what would change, why, and then do it.
//	scepclient   Enrol and renew certificates over SCEP (RFC 8894) with NDES/Intune and other CAs.
//	dsreg        What does this dsregcmd output say, how is the device joined, what is wrong.
//	comgmt       Which co-management workloads are with Intune, which with Configuration Manager, and why.
//	registry     Are the registry values that hybrid join and NDES need set, where from, and which one wins.
//	examples     Command-line tools that compose the packages.
//
// The core packages ldapsync, dsreg, comgmt and registry import only the standard library. Drivers and codecs
// that need more live in packages below them, so that an importer pays for what it uses.
//
// # How data flows
//
// The sync engine is the only part that writes to a directory:
//
//	Source ──Read──▶ planner ◀──Read── Target        ldapsync.Syncer.Plan: pure decisions from source,
//	(ldapdir, ldif,     │              (ldapdir,       target and state; writes nothing
//	 changes, memdir)   ▼               entra, memdir)
//	                  Plan ── guards ──▶ Apply ──Write──▶ Target
//	                    │                  │
//	                    └── JSON, text     └──▶ State (boltstate, memstate): links, ownership, journal
//
// A mapping is data (ldapsync.Mapping); mapfile reads it from JSON, expr evaluates Microsoft's expressions in it,
// syncrules imports it from Cloud Sync and Entra Connect. adsec evaluates rights, adpreflight examines an
// organisation before it is synchronised.
//
// Everything else reads and explains. A text, a file or a page of Microsoft Graph becomes typed values with their
// positions (dsreg.Status, comgmt.Flags, registry.Entry, intune.Profile), and a check turns values into findings, each
// with an ID, what was seen, what to do and the source of the claim. No package asks a machine or a network by itself:
// what was read elsewhere is passed in, and the parts that do read (registry/live, comgmt/graph, scepclient, ldapdir)
// are separate packages.
//
// # Which package may import which
//
// The five packages never import each other. There is no shared package below them: ten lines that two of them need
// are in both. ldapsync, dsreg, comgmt and registry import the standard library only, their tests nothing of
// Microsoft's. Packages below them import upwards: a driver knows its core, a core knows no driver. msgraph-sdk-go is
// imported by Graph packages only (ldapsync/entra, comgmt/graph, scepclient/intune/graph), and never its root or its
// models, except by examples/graphreport behind a build tag. Packages whose names end in test are for tests, and are
// the only ones that import testing. Tests named TestImports enforce this with reasons.
//
// # Where to add what
//
//   - A check of a device's state: a rule in dsreg with its ID, text and source, and a row in the table test that gives
//     an input which has it and one which has not.
//   - A registry schema or a format: a value of registry.Schema; a codec is a package below registry with a decoder
//     that yields registry.Entry, a round-trip test, a fuzz target, and an entry in registry/regconv.
//   - An attribute rule: in the organisation's own code or mapping file, not here; a general one in ldapsync with its
//     source.
//   - A source or a target: implement the interfaces of ldapsync; it is finished when targettest passes, and
//     hazardtest shows that the engine stays harmless on it. A state: statetest.
//   - A check across packages: in the example that composes them, unless a single package can answer it.
//
// # What is trusted, and what is not
//
// Not trusted: everything that is read. LDAP answers, files, logs, captures, Graph pages, certificates and SCEP
// messages may be truncated, hostile or without end; decoders are bounded by what really arrives, checked by fuzz
// targets, and report where the input is wrong. A directory's silence is not trusted: see the promises in package
// ldapsync. The server's own certificate is checked always (TLS 1.2 at least); plain LDAP and trusting any SCEP CA
// are options with names that say so.
//
// Trusted: the configuration and the mapping, which are code in effect; the account's rights as the directory states
// them; the clock, for certificates only; whoever may write the state file or a plan file, because a plan says what
// is written (its ID is a checksum against accidents, no signature). The tools take no arguments from what they read,
// start no shell, and follow no LDAP referral and no Graph link to another host.
//
// Secrets are values of Secret types, which print as REDACTED; they come from files, the environment or a function, never
// from arguments. Private keys, PKCS #12 files, states, plans and temporary files are written with mode 0600. Logs
// hold names and counts, no attribute values; a plan holds values and is as confidential as the directory. CI searches
// everything the tests print for the secrets they use.
//
// # The least rights that suffice
//
//   - The source account of ldapsync: List Contents on the OUs, Read Property of the mapped attributes of users or
//     computers below them; adpreflight and ldapdir.Access print the dsacls lines. DirSync with the right
//     DS-Replication-Get-Changes on the domain is an option of package changes, not a need.
//   - The account of a provisioning forest: Write Property of the mapped attributes, Create Child for computers where
//     devices are created; Delete Child only where the policy deletes. No membership of an administrative group.
//   - Microsoft Graph, application permissions: ldapsync/entra User.ReadWrite.All and Device.ReadWrite.All (Device.Read.All
//     to report only), Application.ReadWrite.OwnedBy to declare directory extensions; ldapsync/entra/bulk
//     SynchronizationData-User.Upload and AuditLog.Read.All; comgmt/graph DeviceManagementManagedDevices.Read.All;
//     scepclient/intune/graph DeviceManagementConfiguration.Read.All. Names other than
//     SynchronizationData-User.Upload and DeviceManagementManagedDevices.Read.All are from memory: check them in the
//     permissions reference before you grant them.
//   - dsreg, registry and comgmt on files: none. registry/live: what the keys demand.
//   - scepclient: the challenge password, or a certificate to renew with.
//
// # Compatibility
//
// The module has no version 1 yet: exported names may change, and README's list of changes says so. What stays: plan
// files, states, mapping files and reports carry a version and are read by every later release; IDs of checks, rules,
// diagnoses and suite cases do not change their meaning; -json output gains members and loses none; exit codes are 0
// (fine), 1 (something to look at) and 2 (wrong use or input).
package hybridkit
