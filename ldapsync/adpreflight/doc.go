// Package adpreflight examines whether an organisation is ready to be synchronised: the prerequisites of the
// operations guide as checks over LDAP and the network, each with what was seen, what to do and who demands it.
//
//	report, err := adpreflight.Run(ctx, adpreflight.Config{
//		Directory: dir, // *ldapdir.Dir, connected to the edge domain controller with the account that will read
//		Service:   adpreflight.OperationsGuide(),
//		Scopes:    []adpreflight.Scope{{ID: "users", Class: ldapsync.User, OU: "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"}},
//	})
//	if next, ok := report.Next(); ok { … next.Remedy … }
//
// An ordinary account suffices, and nothing is written. A check has one of five states, and the difference between
// Pass and NotTried is kept: what could not be looked at is never reported as good. In particular the rights to read
// are evaluated from the security descriptors of every object, because a directory that withholds a value looks like
// one that has none.
//
// # The checks
//
//   - declared.*: the questions of the onboarding declaration (Answers).
//   - vpn.*: the definition of the site-to-site connection (Answers.VPN) against Service.VPN.
//   - ports.*.out and ports.*.in: every row of the firewall table in both directions, as far as it can be tried from
//     where the program runs (Vantage). Silence from a host that is not known to listen proves nothing, and is
//     reported so; the range of dynamic RPC ports is never tried. An address that no machine has (RFC 5737) is tried
//     as well: where it answers, a proxy answers for everyone, and no port is said to be open.
//   - dc.*: the domain controller answers, is the agreed one, a Global Catalog, synchronised, on time, not the only
//     one, and has replication partners.
//   - fsmo.*: the operations masters exist and are where it was agreed.
//   - trust.*: partner, direction, kind, selective authentication, SID filtering, Allowed to Authenticate.
//   - dns.*: the conditional forwarder in the directory, and what the domain controller resolves.
//   - ou.*, delegation.*, attributes.*: for each Scope the unit, units below it, rights to list and to read, the
//     attributes the mapping needs.
//   - .upn-suffixes of a Scope of users; .enabled, .operating-system, .dns-name and .certificates of a Scope of devices.
//   - scp.tenant: the service connection point of device registration.
//   - lint.*: where the guide contradicts itself, resolved for this estate.
//
// # What it does not see
//
// The other side's half of the trust, when replication last succeeded, firewalls between two other hosts, list
// object mode (dSHeuristics), and rights that a conditional entry decides. Such checks are NotTried and name the
// command that tells.
//
// Sections of "the operations guide" are those of the service this models; its values are in OperationsGuide and
// nowhere else. [MS-ADTS] and [MS-DNSP] are Microsoft's Open Specifications.
package adpreflight
