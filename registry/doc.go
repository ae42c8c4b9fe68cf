// Package registry knows which Windows registry values hybrid join, automatic enrolment and NDES need, and
// says what is wrong with a registry, why it matters and how to mend it. It runs anywhere: a registry here is
// a [Snapshot] in memory, filled from whatever the administrator has: a .reg export, a Registry.pol, a Group
// Policy Preferences file, the output of reg query, an offline hive or, on Windows, the live registry.
//
// The two calls most people need:
//
//	schema, err := registry.NDES(registry.NDESParams{Template: "NDESUser"})
//	for d := range schema.Drift(snapshot) { fmt.Println(d) }
//
// The formats live in sub-packages that all yield the [Entry] type of this package, in the order of the file:
// regfile (.reg), regpol (Registry.pol), regquery (reg query and PowerShell JSON), gpp (Group Policy
// Preferences), secinf (security templates), hive (offline hives) and live (Windows). Package regconv detects
// and converts formats, package gpo computes which Group Policy wins, package remedy writes what an administrator deploys,
// package iis checks the request limits of applicationHost.config, and package registrytest makes registries for
// tests. This package imports only the standard library.
//
// What it does not do: it never writes to a registry (package live does), it does not evaluate security
// descriptors, and it knows only the values of the schemas listed by [Names]; everything else is carried
// through unchanged and never reported as wrong.
//
// # Text
//
// The registry stores names and strings as UTF-16 code units, which need not be valid text. Go strings in this
// package hold them as WTF-8: ordinary UTF-8, except that an unpaired surrogate is kept as the three bytes that
// UTF-8 would use for its code point if it were allowed. [FromUTF16] and [AppendUTF16] convert without loss.
// Comparison of key and value names ignores case the way Windows does, see [Fold].
package registry
