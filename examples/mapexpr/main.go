// Mapexpr tries the rules of Microsoft Entra Cloud Sync and Entra Connect without either.
//
//	mapexpr eval     EXPRESSION [LDIF]     what it gives, for every entry
//	mapexpr explain  EXPRESSION [LDIF]     the same, step by step
//	mapexpr lint     RULES                 what will hurt
//	mapexpr describe RULES                 a table of the rules, as Markdown
//	mapexpr import   SCHEMA|EXPORT         a mapping file, and what could not be represented
//	mapexpr diff     BEFORE AFTER LDIF     who would change, and how
//	mapexpr repl     [LDIF]                expressions from the terminal, one a line
//
// RULES, BEFORE and AFTER are mapping files, Cloud Sync schemas (JSON), sync rules (XML), or folders that
// Get-ADSyncServerConfiguration wrote. Exit codes: 0 fine, 1 findings, differences or an evaluation that failed,
// 2 wrong use or input.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("mapexpr")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
