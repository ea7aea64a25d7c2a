@echo off
rem Installs the driver, colinux.sys beside this file, and loads it. For an administrator.
rem Nothing else of Windows is changed: above all not what drivers it loads.
setlocal
echo Cooperative Linux @VERSION@ for @SYSTEM@.
echo.
echo The guest will run in the same privilege ring as Windows itself: this is not
echo isolation. README.txt says what that means, and what Windows demands.
echo.
"%~dp0colinux-daemon.exe" --install-driver
set code=%errorlevel%
if not "%code%"=="0" goto failed
echo.
echo Now, in "%~dp0":
echo     colinux-daemon @colinux.conf
goto end
:failed
echo.
echo The driver is not installed (exit code %code%). Is this prompt an administrator's?
echo See "What Windows demands" in README.txt.
:end
if /i not "%~1"=="/quiet" pause
endlocal & exit /b %code%
