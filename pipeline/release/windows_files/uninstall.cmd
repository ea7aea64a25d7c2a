@echo off
rem Takes back what install.cmd did, and the service "Cooperative Linux" if there is one. For an administrator.
rem Services with names of your own: colinux-daemon --remove-service NAME, before this.
setlocal
rem It fails where there is no such service, which is as good.
"%~dp0colinux-daemon.exe" --remove-service >nul 2>&1
"%~dp0colinux-daemon.exe" --remove-driver
set code=%errorlevel%
rem 14: it was not installed.
if "%code%"=="14" set code=0
if not "%code%"=="0" echo The driver is still there (exit code %code%). Do guests run? Is this prompt an administrator's?
if "%code%"=="0" echo This folder can be deleted now, your guests' disks with it.
if /i not "%~1"=="/quiet" pause
endlocal & exit /b %code%
