package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// demoFiles are a dozen devices of Ashdown Vale, written by TestDemo.
//
//go:embed demo
var demoFiles embed.FS

// demo takes the embedded sample, and with -devices repeats it under other names.
func (a *app) demo(ctx context.Context) error {
	sub, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return err
	}
	if a.at == "" {
		a.est.at = time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)
	}
	if err := a.walk(ctx, sub, "demo"); err != nil {
		return err
	}
	sample := a.est.sorted()
	for i := 0; len(a.est.devices) < a.devices; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := *sample[i%len(sample)]
		d.name = fmt.Sprintf("AV-PC-%06d", i+1)
		d.findings = slices.Clone(d.findings)
		if d.prtHours != unknownAge {
			d.prtHours += int32(i * 7 % 300)
		}
		if d.certDays != unknownAge {
			d.certDays -= int32(i * 13 % 3600)
		}
		a.est.devices[d.name] = &d
	}
	return nil
}
