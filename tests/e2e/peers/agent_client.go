// agent_client.go - a client of io.mtlsd.Agent written with Go's varlink library, for varlink.bats.
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/varlink/go/varlink"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	connection, err := varlink.NewConnection(ctx, os.Args[1])
	must(err)
	defer connection.Close()

	var vendor, product, version, url string
	var interfaces []string
	must(connection.GetInfo(ctx, &vendor, &product, &version, &url, &interfaces))
	fmt.Println("agent", product, version, strings.Join(interfaces, " "))

	description, err := connection.GetInterfaceDescription(ctx, "io.mtlsd.Agent")
	must(err)
	for _, line := range strings.Split(description, "\n") {
		if strings.HasPrefix(line, "interface ") {
			fmt.Println(line)
		}
	}

	var issued struct {
		Changed     bool
		Certificate struct{ Name, Serial string }
	}
	must(connection.Call(ctx, "io.mtlsd.Agent.Issue", map[string]string{"name": "by-go"}, &issued))
	fmt.Println("issued", issued.Certificate.Name, issued.Certificate.Serial)

	receive, err := connection.Send(ctx, "io.mtlsd.Agent.List", map[string]string{}, varlink.More)
	must(err)
	listed := 0
	for {
		var page struct {
			Certificates []struct{ Serial string }
		}
		flags, err := receive(ctx, &page)
		must(err)
		listed += len(page.Certificates)
		if flags&varlink.Continues == 0 {
			break
		}
	}
	fmt.Println("listed", listed)

	err = connection.Call(ctx, "io.mtlsd.Agent.Get", map[string]string{"name": "nobody"}, nil)
	var refused *varlink.Error
	if !errors.As(err, &refused) {
		must(fmt.Errorf("expected a varlink error, got %v", err))
	}
	fmt.Println("error", refused.Name)
}
