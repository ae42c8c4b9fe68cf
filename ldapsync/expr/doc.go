// Package expr runs the attribute mapping expressions of Microsoft Entra provisioning offline: those of Cloud
// Sync and of Entra Connect (Azure AD Connect) sync rules. Nothing outside Microsoft's services evaluates them,
// so an organisation's rules cannot be unit-tested; with this package they can.
//
//	p := expr.MustCompile(expr.CloudSync, `Join(" ", [givenName], [surname])`)
//	v, err := p.Eval(ctx, &expr.Env{Attrs: expr.Attrs{"givenName": expr.String("Ann")}})
//
// The two languages share names of functions and differ in their signatures, so a Dialect is always given. Parse
// checks the syntax, Compile the names, numbers and types of arguments, Eval runs, Explain shows every
// intermediate value, Lint finds what is valid and will hurt. Every example of Microsoft's pages is a test of this
// package; where pages are silent or contradict each other, the Note of the Function, Options or a comment says
// what was chosen.
//
// What an expression cannot know is injected by Env: the time, randomness, what the target already has. Without
// them the functions that need them fail; an evaluation never reads a clock. A budget of steps and bytes bounds
// each evaluation, and no input panics.
//
// What differs from Microsoft's: regular expressions are RE2's (lookaround and back references do not exist,
// which Compile reports, and Lint names the smaller differences), times are UTC where Microsoft takes the time
// zone of its server, month and day names are English, and texts that are cut do not end in half a character.
//
// Facts come from Microsoft's "Reference for writing expressions for attribute mappings in Microsoft Entra
// Application Provisioning", "Microsoft Entra Cloud Sync expressions and function reference", "Microsoft Entra
// Connect Sync: Functions Reference" and "Understanding Declarative Provisioning Expressions", and from the .NET
// documentation they refer to.
package expr
