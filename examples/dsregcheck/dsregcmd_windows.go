package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// runDsregcmd runs the program of this computer. It exits with an error on many
// domain controllers and still prints its rows, so output counts more than the exit code.
func runDsregcmd(ctx context.Context) ([]byte, error) {
	path := "dsregcmd.exe"
	if root := os.Getenv("SystemRoot"); root != "" {
		path = filepath.Join(root, "System32", path) // not whatever PATH has
	}
	var errText bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "/status")
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if len(bytes.TrimSpace(out)) > 0 {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s /status: %w %s", path, err, bytes.TrimSpace(errText.Bytes()))
	}
	return nil, fmt.Errorf("%s /status printed nothing", path)
}
