// Package dsreg reads what dsregcmd prints about a Windows device's join to
// Microsoft Entra ID (formerly Azure AD) and to Active Directory, and says what is wrong.
//
// The two calls most people need:
//
//	st, err := dsreg.Parse(r)                    // typed rows, st.Join() == dsreg.HybridJoined
//	d := dsreg.Diagnose(st, dsreg.Expectation{}) // findings, each with its rows, cause and remedy
//
// Parse reads the output of every build from Windows 10 1607 to Windows 11
// 25H2 and Windows Server in the state in which people paste it: any encoding, with prompts and
// comments around it, quoted, fenced, wrapped by a console, cut off, redacted,
// or several captures in a row. It also reads the traces of /debug and
// /join /debug and the lists of /listaccounts and /cleanupaccounts.
//
// Nothing of the input is lost: every line is a row (Status.Fields), a title
// (Status.Headings), text (Status.Texts), or blank. A row that is absent, empty,
// NO, UNKNOWN, ERROR or untested stays distinguishable (State), and a join state
// is never made from rows that are not there.
//
// Diagnose is a slice of rules run over a Status. It has no clock: ages are
// judged against the capture's own Client Time or a time the caller gives, and
// a rule that has neither stays silent.
//
// What the package does not do: it runs no command (examples/dsregcheck does),
// contacts nobody, and reads neither registry nor event log.
//
// The facts rest on Microsoft Learn, above all the articles
// troubleshoot-device-dsregcmd, troubleshoot-hybrid-join-windows-current,
// troubleshoot-primary-refresh-token and
// how-to-hybrid-join-using-microsoft-entra-kerberos, and on published captures.
// Every Label, CodeInfo, ServerText and Rule names its source; what was seen
// on one build only, or is not documented at all, says so there.
package dsreg
