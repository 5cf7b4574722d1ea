"""`python -m taskctl`."""

from taskctl.app import main

if __name__ == "__main__":
    main()
