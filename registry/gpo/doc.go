// Package gpo computes which registry values Group Policy gives a computer or a user, and why each other source lost; and it
// writes registry GPOs ready to import.
//
// The two calls most people need:
//
//	estate, err := gpo.Load(os.DirFS(`\\ashdown.example\SYSVOL\ashdown.example`), links)
//	result, err := estate.Effective(gpo.Target{DN: "OU=Lab,OU=Workstations,DC=ashdown,DC=example"})
//
// links is a small JSON file (see ReadLinks) or an LDIF export of organizational units and groupPolicyContainer
// objects with gPLink, gPOptions, flags, displayName, gPCWQLFilter and nTSecurityDescriptor.
//
// What counts: link order, enforced links, blocked inheritance, disabled links and halves, security filtering, WMI
// filters, item-level targeting, and the order in which the client's extensions work: Registry.pol first, then the
// security template, then preferences. Local values and a local GPO are the weakest. A question that cannot be
// answered from what is known (a WMI filter, a group) is never guessed: the value then lists what could change it.
//
// Out of scope, and said so in Result.Notes where it matters: loopback processing, which replaces or merges user
// settings and does not touch computer settings; slow links and "process even if not changed"; MDM, which competes
// with Group Policy only for settings of the Policy CSP; and changes made by scripts or by hand after the refresh.
//
// Sources: [MS-GPOL] 2.2.4 and 3.2.5 for the order of links, [MS-GPREG] for Registry.pol, [MS-GPPREF] for preferences. Link order,
// enforcement, blocking, filtering and WMI follow observations of Windows 11 clients in a domain of Windows Server 2025. Two
// things are not certain and can be switched: that the last entry of a gPLink is link order 1 (read from Samba's code,
// and how GPMC behaves; Estate.FirstEntryStrongest), and that a preference item overwrites a policy for the same value
// (order of extensions by GUID; Estate.Mechanisms). The files that Write makes for Import-GPO have the form of
// backups made by GPMC, but were not imported into a Windows domain by us.
package gpo
