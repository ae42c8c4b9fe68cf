package renew_test

import (
	"context"
	"fmt"
	"os"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/renew"
)

func ExampleKeeper_Once() {
	dir, err := os.MkdirTemp("", "certs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	k := &renew.Keeper{
		Dir:    dir, // one sub-folder per certificate
		Client: &scepclient.Client{URL: "https://ndes01.ashdown.example/certsrv/mscep/mscep.dll", Trust: scepclient.Trust{Pins: []string{"…"}}},
		Hook: func(ctx context.Context, r renew.Result) error {
			fmt.Println("reload", r.Name, r.Action)
			return nil
		},
	}
	results, err := k.Once(context.Background())
	fmt.Println(len(results), err)
	// Output: 0 <nil>
}
