#!/usr/bin/python3
"""A browser of one page: WebKitGTK, as an application on a box embeds it.  usage: webkit.py URL"""
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import GLib, Gtk, WebKit2  # noqa: E402

# WebKit names its player after the program.
GLib.set_prgname("webpage")
view = WebKit2.WebView(website_policies=WebKit2.WebsitePolicies(autoplay=WebKit2.AutoplayPolicy.ALLOW))
window = Gtk.Window()
window.add(view)
window.show_all()
view.load_uri(sys.argv[1])
Gtk.main()
