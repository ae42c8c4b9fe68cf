//go:build !windows

package main

import "context"

// runDsregcmd reports that there is no dsregcmd here.
func runDsregcmd(context.Context) ([]byte, error) { return nil, errNoInput }
