// Package comgmt answers, for a Windows device that has both a Configuration Manager client (formerly SCCM)
// and an Intune enrolment, which of the two manages each co-management workload, and why. It works offline on
// plain values: nothing here talks to a site, to Intune or to Windows.
//
// Two things are kept apart that are easily confused. [Flags] is the number a client shows as "Co-management
// capabilities": what the site told it. Authority is who really manages a workload: a device that is not
// enrolled in Intune may show any number, and Configuration Manager still manages everything. So [Flags.Decode]
// reads the number, and [Plan.Effective] decides:
//
//	plan := &comgmt.Plan{Site: 2403, Workloads: comgmt.Workloads{
//		comgmt.WindowsUpdate: {Slider: comgmt.SliderPilot, Collection: "Pilot Updates"},
//	}}
//	verdict := plan.Effective(device).Verdict(comgmt.WindowsUpdate)
//	fmt.Println(verdict.Authority, verdict.Rule, verdict.Basis)
//
// Every [Verdict] names the rule that decided it and the [Basis] that rule rests on: Microsoft's text
// (documented), something seen on real clients (observed), or a conclusion from either (derived). What was not
// read stays unknown; it never turns into "no".
//
// Around these two the package has: [Plan.Lint] and [Diff] for a roll-out before a slider is moved,
// [Plan.Expect] for the flags and Graph booleans a device should show afterwards, [DecodeGraph] for
// Microsoft Graph documents as raw JSON, [Reconcile] for surfaces that contradict each other, [LookupError]
// for enrolment error codes, [CMG] and [ParseCcmsetup] for the cloud management gateway and client
// installation, [Preflight] for DNS names, URLs, UPN suffixes and client settings, and [Plan.PowerShell],
// [Plan.Markdown] and [Plan.HTML] to write a plan down. Package comgmt/cmlog reads client logs, comgmt/cname
// asks a DNS server, comgmt/graph reads from a tenant over a kiota adapter, and comgmt/comgmttest lets a team assert a
// roll-out in go test.
//
// The package imports the standard library only; of the packages below it, only comgmt/graph needs more. Values are safe to copy; functions may be called concurrently
// unless their comment says otherwise, as long as nobody changes an argument meanwhile.
//
// Sources. Microsoft publishes no full table of the bits: compliance, resource access and Windows Update appear
// in its troubleshooting article "Troubleshoot co-management workloads", the rest are community tables
// that agree with one another and with values seen on clients. Sliders, prerequisites and the retirement of resource
// access are from the Configuration Manager documentation ("Co-management workloads", "How to switch
// workloads", "Monitor co-management", "Resource access deprecation FAQ"). Each rule, check and error code
// carries its own source. Not known to anyone in public, and therefore not modelled: the meaning of the bits 256
// to 2048, 4096 and 8192, the integers of Graph's managedDeviceAuthority, and state message number 107.
package comgmt
